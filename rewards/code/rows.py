"""What a row says about its tests, in the shapes that data sets use, as suites to judge."""

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rewards.code.extract import before_function
from rewards.code.harness.values import encode
from rewards.code.linked import FunctionTests
from rewards.code.programs import Case
from rewards.code.unit_tests import Suite

Tests = tuple[Case, ...] | FunctionTests | Suite
KINDS = ("function", "program")


def code_prefix(row: Mapping[str, Any], language: str) -> str:
    """Source that the prompt ends in: ``code_prompt``, or ``prompt`` if it is source and not prose."""
    if row.get("code_prompt"):
        return str(row["code_prompt"])
    prompt, entry_point = row.get("prompt"), str(row.get("entry_point") or "")
    if not isinstance(prompt, str):
        return ""
    if language == "python":
        return prompt if entry_point and f"def {entry_point}" in prompt else ""
    declaration = str(row.get("declaration") or "").strip()
    return prompt if declaration and prompt.rstrip().endswith(declaration.split("\n")[-1].strip()) else ""


def read_tests(row: Mapping[str, Any], column: str, language: str, kind: str | None) -> Tests:
    """The tests in one column of a row.

    Args:
        row: ``tests`` (or another column), ``entry_point``, ``setup``, ...; see docs/rewards_code.md.
        column: Which column.
        language: Name of the language.
        kind: ``function``, ``program`` or None: by the shape of the tests.

    Raises:
        ValueError: They have no known shape, or there is none.
    """
    if column not in row:
        raise ValueError(f"{column}: the row has none; name the column {column}, or put it into the prompt's metadata")
    tests = row[column]
    if isinstance(tests, str) and tests.lstrip()[:1] in "[{":
        tests = _maybe_json(tests)
    if isinstance(tests, Mapping):
        tests, row = _columns(tests, row)
    if not tests:
        raise ValueError(f"{column}: empty; a program without a test cannot be judged")
    if isinstance(tests, str):
        return _source_tests(tests, row, language, kind)
    if isinstance(tests, Sequence) and all(isinstance(test, str) for test in tests):
        return _source_tests(list(tests), row, language, kind)
    if isinstance(tests, Sequence) and all(isinstance(test, Mapping) for test in tests):
        if _are_calls(tests, kind):
            return call_tests(tests, row, language)
        return tuple(map(_case, tests))
    raise ValueError(f"{column}: expected a list of {{stdin, stdout}}, of {{args, expected}} or of assertions, or a text of tests")


def _maybe_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _columns(tests: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """{inputs, outputs[, fn_name]} (APPS, TACO) and {functional} (LiveCodeBench) as rows of tests."""
    if "functional" in tests:
        return tests["functional"], row
    inputs, outputs = tests.get("inputs"), tests.get("outputs")
    if not isinstance(inputs, Sequence) or not isinstance(outputs, Sequence) or len(inputs) != len(outputs):
        raise ValueError("tests: a mapping of tests needs inputs and outputs, two lists of one length")
    pairs = zip(inputs, outputs, strict=True)
    name = tests.get("fn_name")
    if not name:
        return [{"stdin": _lines(i), "stdout": _lines(o)} for i, o in pairs], row
    # These data sets wrap a result in a list of its own.
    cases = [{"args": i, "expected": o[0] if isinstance(o, list) and len(o) == 1 else o} for i, o in pairs]
    return cases, {**row, "entry_point": row.get("entry_point") or name}


def _lines(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _are_calls(tests: Sequence[Mapping[str, Any]], kind: str | None) -> bool:
    if any("args" in test or "kwargs" in test or "expected" in test for test in tests):
        return True
    return kind == "function" and not any("stdin" in test for test in tests)


def call_tests(tests: Sequence[Mapping[str, Any]], row: Mapping[str, Any], language: str) -> FunctionTests:
    """{args, kwargs, expected} as JSON values; ``input`` and ``output`` are other names of args and expected.

    A case without ``expected`` gets none here: it is what the row's reference solution returns.
    """
    entry_point = _entry_point(row, language)
    cases = []
    for test in tests:
        args = test.get("args", test.get("input", []))
        if not isinstance(args, list):
            raise ValueError(f"tests: args is {type(args).__name__}; give the list of arguments")
        case = {"args": [encode(a) for a in args], "kwargs": encode(test.get("kwargs", {}))}
        known = [test[name] for name in ("expected", "output") if name in test]
        cases.append({**case, "expected": encode(known[0])} if known else case)
    return FunctionTests(style="calls", tests=cases, entry_point=entry_point)


def _entry_point(row: Mapping[str, Any], language: str) -> str:
    if language != "python":
        raise ValueError(f"tests: calls with arguments are for python, not {language}; give [{{stdin, stdout}}] or a text of tests")
    if not row.get("entry_point"):
        raise ValueError("entry_point: missing; say which function the tests call")
    return str(row["entry_point"])


def _source_tests(tests: str | list[str], row: Mapping[str, Any], language: str, kind: str | None) -> Tests:
    setup = str(row.get("test_setup_code") or row.get("setup") or "")
    if language != "python":
        return Suite(text=tests if isinstance(tests, str) else "\n".join(tests), setup=str(row.get("test_setup") or setup))
    entry_point = str(row.get("entry_point") or "")
    prelude = before_function(code_prefix(row, language), entry_point) if entry_point else ""
    if isinstance(tests, list) and not all(map(_is_assertion, tests)):
        tests = "\n".join(tests)  # definitions, such as of check: a module of tests
    style = "script" if isinstance(tests, str) else "asserts"
    return FunctionTests(style=style, tests=tests, entry_point=entry_point, prelude=prelude, setup=setup)


def _is_assertion(text: str) -> bool:
    """Statements that test something when they are run.

    Raises:
        ValueError: It is no Python.
    """
    try:
        body = ast.parse(text).body
    except SyntaxError as error:
        raise ValueError(f"tests: {text[:60]!r} is no Python: {error.msg}") from error
    if any(isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) for part in body):
        return False
    return any(isinstance(node, (ast.Assert, ast.Raise, ast.Call)) for part in body for node in ast.walk(part))


def _case(test: Mapping[str, Any]) -> Case:
    stdin, stdout = test.get("stdin", test.get("input", "")), test.get("stdout", test.get("output"))
    return Case(
        stdin=_lines(stdin),
        stdout=None if stdout is None else _lines(stdout),
        exit_code=int(test.get("exit_code", 0)),
        args=tuple(map(str, test.get("argv") or ())),
        files=dict(test.get("files") or {}),
        given=dict(test.get("given_files") or {}),
    )
