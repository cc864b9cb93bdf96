"""Runs the tests against the program at the other end of file descriptor 3, and writes the verdict, which the
program cannot.

Reads ``spec.json``; writes one JSON line a test to stdout, and a last one when it is through.
"""

import ast
import builtins
import importlib
import json
import math
import os
import socket
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

# Files beside this one in the sandbox
from remote import ProgramError, ProgramLost, Remote, StandIn  # type: ignore[import-not-found]
from values import Link, attempt, decode, encode  # type: ignore[import-not-found]


class NothingTested(Exception):
    """The tests hold no test."""


class Names(dict[str, Any]):
    """Globals of the tests: what they define, then builtins and the standard library, then the program's."""

    remote: Remote

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            return getattr(builtins, name)
        if name in sys.stdlib_module_names:  # else the program could bring a ``math`` of its own
            return importlib.import_module(name)
        return self.remote.ask("name", name)


class Solution(types.ModuleType):
    """The object that ``from solution import f`` finds."""

    remote: Remote

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.remote.ask("name", name)


def units(spec: dict[str, Any], names: Names) -> Iterator[Callable[[], Any]]:
    """The tests, each a call that raises or returns False if it fails."""
    if spec["style"] == "asserts":
        for text in spec["tests"]:
            yield partial(exec, compile(text, "test", "exec"), names)
    elif spec["style"] == "script":
        yield from script_units(spec["tests"], names)
    else:
        function = entry(spec, names)
        for case in spec["tests"]:
            yield partial(call_case, function, case, spec["tolerance"])


def script_units(text: str, names: Names) -> Iterator[Callable[[], Any]]:
    """A module of tests: what it runs by itself, then ``check(candidate)``, ``test_*`` functions and unittest
    classes.

    Raises:
        NothingTested: It tests nothing, which must not pass.
    """
    tree = ast.parse(text)
    own = [node for part in tree.body if not _waits(part) for node in ast.walk(part)]
    called = {node.func.id for node in own if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    found = any(not hasattr(builtins, name) for name in called)
    found = found or any(isinstance(node, (ast.Assert, ast.Raise)) for node in own)
    yield lambda: exec(compile(tree, "tests", "exec"), names)
    for name, value in list(names.items()):
        if name in called:
            continue
        for unit in units_of(name, value, names):
            found = True
            yield unit
    if not found:
        raise NothingTested("the tests test nothing")


def _waits(part: ast.stmt) -> bool:
    """True for what does not run when the module does: definitions, and what is for ``python tests.py``."""
    guard = isinstance(part, ast.If) and any(
        isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(part.test)
    )
    return guard or isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


def _to_the_end(test: Callable[..., Any], *args: Any) -> Any:
    """The test's result; a coroutine runs."""
    result = test(*args)
    return (
        importlib.import_module("asyncio").run(result) if isinstance(result, types.CoroutineType) else result
    )


def units_of(name: str, value: Any, names: Names) -> Iterator[Callable[[], Any]]:
    """The tests that a function or class of the tests' module holds."""
    unittest: Any = sys.modules.get("unittest")
    if name == "check" and callable(value) and "candidate" in names:
        yield partial(_to_the_end, value, names["candidate"])
    elif unittest and isinstance(value, type) and issubclass(value, unittest.TestCase):
        for method in unittest.defaultTestLoader.getTestCaseNames(value):
            yield value(method).debug
    elif isinstance(value, type) and name.startswith("Test"):
        for method in (m for m in dir(value) if m.startswith("test")):
            yield partial(_method, value, method)
    elif isinstance(value, types.FunctionType) and name.startswith("test"):
        yield partial(_to_the_end, value)


def _method(kind: type, name: str) -> Any:
    return _to_the_end(getattr(kind(), name))


def entry(spec: dict[str, Any], names: Names) -> Any:
    """The function under test; for ``Class.method`` and methods of ``class Solution``, one that makes a new
    instance a call."""
    return names.remote.ask("name", spec["entry_point"])


def call_case(function: Any, case: dict[str, Any], tolerance: float) -> bool:
    """Call with data, compare with data."""
    got = function(*decode(case["args"]), **decode(case["kwargs"]))
    return same(decode(case["expected"]), got, tolerance)


def same(wanted: Any, got: Any, tolerance: float) -> bool:
    """Equal as data: lists and tuples alike (JSON has one of them), truth values apart from numbers."""
    if isinstance(wanted, (list, tuple)):
        return (
            isinstance(got, (list, tuple))
            and len(wanted) == len(got)
            and all(same(w, g, tolerance) for w, g in zip(wanted, got, strict=True))
        )
    if isinstance(wanted, dict):
        if not isinstance(got, dict) or len(wanted) != len(got):
            return False
        by_text = {key if key in wanted else _json_key(key): value for key, value in got.items()}
        return len(by_text) == len(got) and all(
            key in by_text and same(w, by_text[key], tolerance) for key, w in wanted.items()
        )
    if isinstance(wanted, bool) or isinstance(got, bool) or wanted is None or isinstance(got, StandIn):
        return type(wanted) is type(got) and not isinstance(got, StandIn) and bool(wanted == got)
    if isinstance(wanted, (float, complex)) or isinstance(got, (float, complex)):
        return _close(wanted, got, tolerance)
    return bool(wanted == got)


def _json_key(key: Any) -> Any:
    """A key as JSON would have written it."""
    if isinstance(key, bool) or key is None:
        return json.dumps(key)
    return repr(key) if isinstance(key, (int, float)) else key


def _close(wanted: Any, got: Any, tolerance: float) -> bool:
    if not isinstance(wanted, (int, float, complex)) or not isinstance(got, (int, float, complex)):
        return False
    if wanted == got or (wanted != wanted and got != got):
        return True
    if isinstance(wanted, complex) or isinstance(got, complex):
        return bool(abs(wanted - got) <= tolerance * max(1.0, abs(wanted)))
    try:
        return bool(tolerance) and math.isclose(wanted, got, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:  # an integer beyond the range of floats
        return False


def judge(unit: Callable[[], Any]) -> str:
    """Why the test failed; empty if it passed."""
    passed, error = attempt(unit)
    if isinstance(error, ProgramLost):
        raise error
    if error is None or isinstance(error, AssertionError):
        return "wrong answer" if error or passed is False else ""
    return f"runtime error: {error.args[0] if isinstance(error, ProgramError) else type(error).__name__}"


def record(spec: dict[str, Any], names: Names, say: Callable[..., None]) -> None:
    """Say what the program returns for each case, None where it raises."""
    function = entry(spec, names)
    for case in spec["tests"]:
        value, error = attempt(_coded, function, case)
        if error is None:
            say(value=value)
        elif isinstance(error, Exception):  # inputs that the reference refuses are no tests
            say(value=None, refused=True)
        else:
            raise error


def _coded(function: Any, case: dict[str, Any]) -> Any:
    return encode(function(*decode(case["args"]), **decode(case["kwargs"])))


def prepare(spec: dict[str, Any], remote: Remote) -> Names:
    """Globals of the tests, with the trusted prelude and the function under test in them."""
    names = Names(__name__="tests")
    names.remote = Solution.remote = remote
    sys.modules["solution"] = Solution("solution")
    exec(compile(spec["prelude"], "prelude", "exec"), names)
    if spec["entry_point"] and spec["style"] in ("asserts", "script"):
        names["candidate"] = names[spec["entry_point"].split(".")[-1]] = entry(spec, names)
    exec(compile(spec["setup"], "setup", "exec"), names)
    return names


def main() -> None:
    """The only writer of the verdict is the descriptor kept here; what tests print goes nowhere."""
    verdicts = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def say(**fields: Any) -> None:
        verdicts.write(json.dumps(fields) + "\n")
        verdicts.flush()

    with open("spec.json", encoding="utf-8") as file:  # noqa: PTH123  # quicker to start than pathlib
        spec = json.load(file)
    remote = Remote(Link(socket.socket(fileno=3)))
    _, error = attempt(run, spec, remote, say)
    if isinstance(error, (ProgramLost, EOFError)):
        say(lost=str(error)[:80])
    elif isinstance(error, NothingTested):
        say(nothing=str(error))
    elif error is not None and error is remote.raised:
        what = "missing function" if isinstance(error, NameError) else "runtime error"
        say(failed=what, detail=str(error)[:80])
    elif error is not None:  # the tests' own fault
        raise error


def run(spec: dict[str, Any], remote: Remote, say: Callable[..., None]) -> None:
    """All tests, or those up to the first that fails; says each verdict, and that it came to the end."""
    if why_not := remote.greeted():
        return say(failed=why_not[0], detail=why_not[1])
    names = prepare(spec, remote)
    if spec["style"] == "record":
        record(spec, names, say)
    else:
        for unit in units(spec, names):
            why = judge(unit)
            say(why=why)
            if why and not spec["partial"]:
                return None
    return say(done=True)


if __name__ == "__main__":
    main()
