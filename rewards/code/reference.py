"""Expected values that a reference solution gives: for tests without any, and for perturbed inputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rewards.code.harness.values import decode, encode
from rewards.code.linked import FunctionTests
from rewards.code.perturb import literal_calls, perturb_calls, perturb_text
from rewards.code.programs import Case
from rewards.code.rows import Tests

Record = Callable[[FunctionTests], list[Any]]
"""Encoded results of the reference's function, None where it raises."""
Run = Callable[[Sequence[Case]], list[str | None]]
"""Outputs of the reference program, None where it fails."""


def fill_calls(tests: FunctionTests, record: Record) -> FunctionTests:
    """Cases without ``expected``, or with null, get the reference's result; those that it refuses are
    dropped."""
    open_cases = [case for case in tests.tests if expects_nothing(case)]
    if not open_cases:
        return tests
    results = iter(record(replace(tests, style="record", tests=open_cases)))
    filled = []
    for case in tests.tests:
        if not expects_nothing(case):
            filled.append(case)
        elif (result := next(results)) is not None:
            filled.append({**case, "expected": result["value"]})
    if not filled:
        raise ValueError("tests: the reference solution refuses every input")
    return replace(tests, tests=filled)


def fill_cases(cases: Sequence[Case], run: Run) -> tuple[Case, ...]:
    """Cases that look at nothing get the reference's output."""
    empty = [case for case in cases if looks_at_nothing(case)]
    outputs = iter(run(empty) if empty else [])
    filled = [replace(case, stdout=next(outputs)) if looks_at_nothing(case) else case for case in cases]
    return tuple(case for case in filled if not looks_at_nothing(case))


def expects_nothing(case: Mapping[str, Any]) -> bool:
    """No result is given; null may be one, or stand for none, and a reference knows which."""
    return case.get("expected") is None


def require_results(tests: Tests, column: str, reference: str) -> None:
    """Before any program runs: a row without a reference solution must say itself what is right.

    Args:
        tests: As they are read from the row.
        column: Where they stand.
        reference: The column of a reference solution, which the row lacks.

    Raises:
        ValueError: A test looks at nothing, or any function that returns nothing would pass.
    """
    if isinstance(tests, tuple) and any(map(looks_at_nothing, tests)):
        raise ValueError(
            f"{column}: a test has neither stdout nor exit_code nor files, and the row no {reference}"
        )
    if isinstance(tests, FunctionTests) and tests.style == "calls":
        if any("expected" not in case for case in tests.tests):
            raise ValueError(f"{column}: a case has no expected value, and the row no {reference}")
        if all(map(expects_nothing, tests.tests)):
            raise ValueError(
                f"{column}: every expected value is null, so a function that returns nothing would pass; add"
                f" {reference}"
            )


def looks_at_nothing(case: Case) -> bool:
    """Any program would pass."""
    return case.stdout is None and not case.files and case.exit_code == 0


def more_tests(tests: Tests, count: int, entry_point: str, record: Record, run: Run) -> Tests | None:
    """Up to ``count`` perturbed tests, or None if the given ones show no inputs to start from."""
    if isinstance(tests, tuple):
        texts = perturb_text(
            [case.stdin for case in tests if not case.args and not case.given], count, repr(tests)
        )
        return fill_cases([Case(stdin=text) for text in texts], run) or None
    if not isinstance(tests, FunctionTests) or not entry_point or "." in entry_point:
        return None
    if tests.style == "calls":
        given = [decode(case["args"]) for case in tests.tests if not decode(case["kwargs"])]
    else:
        text = tests.tests if isinstance(tests.tests, str) else "\n".join(tests.tests)
        given = literal_calls(text, {entry_point, "candidate"})
    calls = perturb_calls(given, count, repr(given))
    cases = [{"args": [encode(a) for a in args], "kwargs": encode({})} for args in calls]
    return fill_calls(replace(tests, style="calls", tests=cases), record) if cases else None
