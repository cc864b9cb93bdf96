"""Read what a row says about its tests, in the shapes that data sets use, as suites to judge."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from rewards.code.columns import (
    as_lines,
    columns,
    functional_case,
    is_functional,
    mapping_of,
    present,
    read_json,
)
from rewards.code.extract import before_function, source_in
from rewards.code.harness.values import encode
from rewards.code.linked import FunctionTests
from rewards.code.programs import Case
from rewards.code.unit_tests import Suite
from rollout.types import Prompt

Tests = tuple[Case, ...] | FunctionTests | Suite
KINDS = ("function", "program")
NAMES = ("entry_point", "fn_name", "func_name")
"""Columns that may name the function that calls are made of."""


def row_of(prompt: Prompt) -> Mapping[str, Any]:
    """Return what a prompt says about its tests: its metadata without what is null, its text as ``prompt``,
    the function's name as ``entry_point``."""
    row = {"prompt": prompt.text, **present(prompt.metadata)}
    name = next((row[column] for column in NAMES if row.get(column)), None)
    return row if name is None else {**row, "entry_point": str(name)}


def code_prefix(row: Mapping[str, Any], language: str) -> str:
    """Source that the prompt ends in: ``code_prompt``, or what ``prompt`` ends in if that is source and not
    prose."""
    if row.get("code_prompt"):
        return str(row["code_prompt"])
    prompt, entry_point = row.get("prompt"), str(row.get("entry_point") or "")
    if not isinstance(prompt, str):
        return ""
    if language == "python":
        return source_in(prompt, entry_point)
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
        raise ValueError(
            f"{column}: the row has none; name the column {column}, or put it into the prompt's metadata"
        )
    tests = row[column]
    if isinstance(tests, str) and tests.lstrip()[:1] in "[{":
        tests = _maybe_json(tests)
    if isinstance(tests, Mapping):
        tests, row = columns(present(tests), row)
    if isinstance(tests, Sequence) and not isinstance(tests, str):
        tests = [test for test in tests if test is not None]
    if not tests:
        raise ValueError(f"{column}: empty; a program without a test cannot be judged")
    if isinstance(tests, str):
        return _source_tests(tests, row, language, kind)
    if all(isinstance(test, str) for test in tests):
        return _source_tests(tests, row, language, kind)
    if isinstance(tests, Sequence) and all(isinstance(test, Mapping) for test in tests):
        if _are_calls(tests, kind):
            return call_tests(tests, row, language)
        return tuple(_case(present(test)) for test in tests)
    raise ValueError(
        f"{column}: expected a list of {{stdin, stdout}}, of {{args, expected}} or of assertions, or a text"
        " of tests"
    )


def _maybe_json(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return text


def _are_calls(tests: Sequence[Mapping[str, Any]], kind: str | None) -> bool:
    if any(present(test).keys() & {"args", "kwargs", "expected"} or is_functional(test) for test in tests):
        return True
    return kind == "function" and not any("stdin" in present(test) for test in tests)


def call_tests(tests: Sequence[Mapping[str, Any]], row: Mapping[str, Any], language: str) -> FunctionTests:
    """{args, kwargs, expected} as JSON values; ``input`` and ``output`` are other names of args and expected.

    A case without ``expected`` gets none here: it is what the row's reference solution returns.
    """
    entry_point = _entry_point(row, language)
    cases = []
    for number, given in enumerate(tests, start=1):
        test = functional_case(given, number) if is_functional(given) else given
        said = present(test)
        args = said.get("args", said.get("input", []))
        if not isinstance(args, list):
            raise ValueError(f"tests: args is {type(args).__name__}; give the list of arguments")
        case = {"args": [encode(a) for a in args], "kwargs": encode(mapping_of(said.get("kwargs"), "kwargs"))}
        known = [name for name in ("expected", "output") if name in said] or [
            name for name in ("expected", "output") if name in test
        ]
        cases.append({**case, "expected": encode(test[known[0]])} if known else case)
    return FunctionTests(style="calls", tests=cases, entry_point=entry_point)


def _entry_point(row: Mapping[str, Any], language: str) -> str:
    if language != "python":
        raise ValueError(
            f"tests: calls with arguments are for python, not {language}; give [{{stdin, stdout}}] or a text"
            " of tests"
        )
    if not row.get("entry_point"):
        raise ValueError("entry_point: missing; say which function the tests call")
    return str(row["entry_point"])


def _source_tests(tests: str | list[str], row: Mapping[str, Any], language: str, kind: str | None) -> Tests:
    setup = str(row.get("test_setup_code") or row.get("setup") or "")
    if language != "python":
        return Suite(
            text=tests if isinstance(tests, str) else "\n".join(tests),
            setup=str(row.get("test_setup") or setup),
        )
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
    return any(
        isinstance(node, (ast.Assert, ast.Raise, ast.Call)) for part in body for node in ast.walk(part)
    )


def _case(test: Mapping[str, Any]) -> Case:
    stdin, stdout = test.get("stdin", test.get("input", "")), test.get("stdout", test.get("output"))
    return Case(
        stdin=as_lines(stdin),
        stdout=None if stdout is None else as_lines(stdout),
        exit_code=_exit_code(test.get("exit_code", 0)),
        args=_argv(test.get("argv", [])),
        files=mapping_of(test.get("files"), "files"),
        given=mapping_of(test.get("given_files"), "given_files"),
    )


def _argv(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"tests: argv is {type(value).__name__}; give the list of arguments")
    return tuple(map(str, value))


def _exit_code(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise ValueError(f"tests: exit_code is {value!r}; give a whole number")
    return int(value)
