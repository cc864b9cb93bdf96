"""Tests as other data sets write them: columns of inputs and outputs (APPS, TACO, PRIME), and texts of JSON
(LiveCodeBench)."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def present(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is null: files of columns (Parquet) have every key in every row, and null where there is
    nothing."""
    return {name: value for name, value in row.items() if value is not None}


def mapping_of(value: Any, name: str) -> dict[str, Any]:
    """A mapping of a test, without nulls; nothing if it is absent.

    Raises:
        ValueError: It is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"tests: {name} is {type(value).__name__}; give a mapping")
    return present(value)


def read_json(text: str) -> Any:
    """A JSON value; its integers may have any number of digits.

    Raises:
        ValueError: It is none.
    """
    limit = sys.get_int_max_str_digits()
    return json.loads(
        text,
        parse_int=lambda digits: int(digits) if len(digits) <= (limit or len(digits)) else _long_int(digits),
    )


def _long_int(digits: str) -> int:
    """``int`` of more digits than Python takes at once; quadratic, as its own would be."""
    sign, value = (-1 if digits.startswith("-") else 1), 0
    for start in range(0, len(digits := digits.lstrip("-")), 4000):
        part = digits[start : start + 4000]
        value = value * 10 ** len(part) + int(part)
    return sign * value


def columns(tests: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """{inputs, outputs[, fn_name]} (APPS, TACO) and {functional} (BigCodeBench-like) as rows of tests.

    Args:
        tests: The mapping, without nulls.
        row: Where ``entry_point`` may be.

    Raises:
        ValueError: Not two lists of one length, or a text that is no JSON where values are needed.
    """
    if "functional" in tests:
        return tests["functional"], row
    inputs, outputs = tests.get("inputs"), tests.get("outputs")
    if not isinstance(inputs, Sequence) or not isinstance(outputs, Sequence) or len(inputs) != len(outputs):
        raise ValueError("tests: a mapping of tests needs inputs and outputs, two lists of one length")
    name = tests.get("fn_name")
    if not name:
        return [
            {"stdin": as_lines(i), "stdout": as_lines(o)} for i, o in zip(inputs, outputs, strict=True)
        ], row
    if inputs and all(isinstance(given, str) for given in inputs):
        pairs = zip(inputs, outputs, strict=True)
        cases = [
            functional_case({"input": i, "output": o}, number) for number, (i, o) in enumerate(pairs, start=1)
        ]
    else:
        unwrapped = [o[0] for o in outputs] if are_wrapped(outputs) else outputs
        cases = [{"args": i, "expected": o} for i, o in zip(inputs, unwrapped, strict=True)]
    return cases, {**row, "entry_point": row.get("entry_point") or name}


def are_wrapped(outputs: Sequence[Any]) -> bool:
    """True if each result is in a list of its own, as APPS and TACO write those of most sites: then all are
    lists of one.

    A row whose results are lists anyway is told from these by any list of another length. Where every one has
    length 1, nothing tells them apart, and the wrapping is what these data sets mean.
    """
    return bool(outputs) and all(isinstance(output, list) and len(output) == 1 for output in outputs)


def is_functional(test: Mapping[str, Any]) -> bool:
    """True for a test of LiveCodeBench's that calls a function."""
    return test.get("testtype") == "functional"


def functional_case(test: Mapping[str, Any], number: int) -> dict[str, Any]:
    """{input, output} as LiveCodeBench writes them, one JSON value a line for each argument and one for the
    result, as a call.

    Raises:
        ValueError: They are no JSON.
    """
    said = present(test)
    given, wanted = said.get("input", ""), said.get("output")
    try:
        args = (
            [read_json(line) for line in given.split("\n") if line.strip()]
            if isinstance(given, str)
            else given
        )
        expected = read_json(wanted) if isinstance(wanted, str) else wanted
    except ValueError as error:
        raise ValueError(
            f"tests: test {number} is functional: a line of its input, or its output, is no JSON ({error})"
        ) from error
    return {"args": args} | ({} if wanted is None else {"expected": expected})


def as_lines(value: Any) -> str:
    """A text, or a list of its lines."""
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
