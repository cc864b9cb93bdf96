"""Python functions across two sandboxes: what tests may ask of them, and what programs may not do."""

from typing import Any

import pytest

from rewards import build_reward
from tests.integration.code.conftest import Judge

ADD = {"tests": ["assert add(1, 2) == 3", "assert add(-5, 5) == 0"], "entry_point": "add"}


@pytest.mark.parametrize(
    ("code", "tests"),
    [
        (
            "def f():\n    return (1, {2}, b'x', 1j, float('inf'), 2**80, frozenset([1]))",
            "(1, {2}, b'x', 1j, float('inf'), 2**80, frozenset([1]))",
        ),
        ("from collections import Counter\ndef f():\n    return Counter('aab')", "{'a': 2, 'b': 1}"),
        (
            "from fractions import Fraction\ndef f():\n    return Fraction(1, 3)",
            "__import__('fractions').Fraction(1, 3)",
        ),
    ],
)
def test_values_arrive_as_what_they_are(code: str, tests: str, judge: Judge) -> None:
    assert judge(
        code, {"tests": [f"assert f() == {tests}", f"assert type(f()) is type({tests})"], "entry_point": "f"}
    ).correct


def test_tests_use_objects_generators_mutation_and_exceptions_of_the_program(judge: Judge) -> None:
    code = """
class Node:
    def __init__(self, value): self.value, self.next = value, None
def length(node): return 1 + length(node.next) if node else 0
def squares(n):
    for i in range(n): yield i * i
def clear(xs): xs.clear()
def fail(): raise KeyError("x")
def apply(f, x): return f(x)
"""
    tests = """
def test_nodes():
    a = Node(1); a.next = Node(2)
    assert length(a) == 2 and a.next.value == 2
def test_generator():
    assert list(squares(4)) == [0, 1, 4, 9]
def test_mutation():
    xs = [1, 2]; clear(xs)
    assert xs == []
def test_exception():
    try: fail()
    except KeyError: return
    assert False
def test_callback():
    assert apply(lambda x: x + 1, 2) == 3
"""
    result = judge(code, {"tests": tests})
    assert (result.correct, result.reason) == (True, "")


@pytest.mark.parametrize(
    ("code", "tests"),
    [
        (
            "class math:\n    isclose = staticmethod(lambda *a: True)\ndef f(): return 0.0",
            ["assert math.isclose(f(), 1.0)"],
        ),
        ("def f(x):\n    raise StopIteration", ["assert all(map(lambda x: f(x) == 1, [1, 2]))"]),
        (
            (
                "class A:\n    def __eq__(s, o): return True\n    def __ne__(s, o): return False\ndef f():"
                " return A()"
            ),
            ["assert not (f() != 1)"],
        ),
        (
            "class A(str):\n    def __eq__(s, o): return True\n    __hash__ = None\ndef f(): return A('x')",
            ["assert f() == 'y'"],
        ),
        ("def f(): return float('nan')", ["assert f() == 1"]),
        (
            (
                "import socket\ns = socket.socket(fileno=3)\nb = b'[\"ok\",true,[]]'\n"
                "s.sendall(len(b).to_bytes(4, 'big') + b)\ndef f(): return 0"
            ),
            ["assert f() == 1"],
        ),
        (
            "def f(): return 0\ndef check(c): pass\ntests = []",
            "def check(candidate):\n    assert candidate() == 1\n",
        ),
    ],
)
def test_programs_that_cheat_fail(code: str, tests: Any, judge: Judge) -> None:
    result = judge(code, {"tests": tests, "entry_point": "f"})
    assert (result.value, result.correct) == (0.0, False)


def test_helpers_of_the_prompt_are_the_testers_own(judge: Judge) -> None:
    prompt = "def twice(x):\n    return 2 * x\n\n\ndef f(x):\n    '''Half.'''\n"
    row = {
        "prompt": prompt,
        "entry_point": "f",
        "tests": "def check(candidate):\n    assert twice(candidate(4)) == 4\n",
    }
    assert judge("    return x // 2\n", row).correct
    assert not judge("def twice(x):\n    return 4\ndef f(x):\n    return 0\n", row).correct


def test_calls_with_json_values(judge: Judge) -> None:
    row = {
        "tests": [{"args": [[3, 1]], "expected": [1, 3]}, {"args": [[]], "expected": []}],
        "entry_point": "f",
    }
    assert judge("def f(x): return tuple(sorted(x))", row).correct
    assert judge("def f(x): return x", row).reason == "wrong answer on test 1"
    assert judge(
        "class Solution:\n    def f(self, x): return sorted(x)", {**row, "entry_point": "Solution.f"}
    ).correct


def test_reference_hidden_and_perturbed_tests_catch_answers_learnt_by_heart(judge: Judge) -> None:
    right, learnt = (
        "def f(x): return sorted(x)",
        "def f(x): return {(2, 1): [1, 2], (5, 9, 7): [5, 7, 9]}[tuple(x)]",
    )
    shown = {
        "tests": [{"args": [[2, 1]], "expected": [1, 2]}, {"args": [[5, 9, 7]], "expected": [5, 7, 9]}],
        "entry_point": "f",
    }
    assert judge(learnt, shown).correct
    hidden = {**shown, "hidden_tests": [{"args": [[4, 3]], "expected": [3, 4]}]}
    assert judge(right, hidden).correct
    assert judge(learnt, hidden).reason == "runtime error: KeyError (hidden_tests)"
    perturbed = {**shown, "canonical_solution": right}
    assert judge(right, perturbed, perturb=4).correct
    assert judge(learnt, perturbed, perturb=4).reason.endswith("(perturbed)")


def test_partial_credit_is_a_share_and_never_correct(judge: Judge) -> None:
    result = judge("def add(a, b): return 3", ADD, partial=True)
    assert (result.value, result.correct, result.reason) == (0.5, False, "wrong answer on test 2")
    program = {"tests": [{"stdin": str(i), "stdout": "1"} for i in range(4)]}
    result = judge("print(int(input()) % 2)", program, partial=True)
    assert (result.value, result.correct, result.reason) == (0.5, False, "wrong answer on test 1")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def add(a, b)\n", "compile error: SyntaxError"),
        ("def other(): pass", "missing function: name 'add' is not defined"),
        ("def add(a, b): return a / 0", "runtime error: ZeroDivisionError on test 1"),
        ("def add(a, b):\n    while a + b == 0: pass\n    return a + b", "timeout on test 2"),
        (
            "x = bytearray(2 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1\ndef add(a, b): return a + b",
            "memory on test 1",
        ),
        ("I do not know.", "compile error: SyntaxError"),
        ("```rust\nfn main() {}\n```", "no code"),
    ],
)
def test_reasons_are_precise(code: str, reason: str, judge: Judge) -> None:
    assert judge(code, ADD).reason == reason


def test_programs_with_files_arguments_and_exit_codes(judge: Judge) -> None:
    tests = [{"argv": ["a"], "given_files": {"in.txt": "7\n"}, "exit_code": 3, "files": {"out.txt": "a 7\n"}}]
    code = (
        "import sys\nx = open('in.txt').read().strip()\nopen('out.txt', 'w').write(f'{sys.argv[1]}"
        " {x}')\nsys.exit(3)"
    )
    assert judge(code, {"tests": tests}).correct
    assert (
        judge(code.replace("(3)", "(0)"), {"tests": tests}).reason == "runtime error (exit code 0) on test 1"
    )
    assert judge("import sys\nsys.exit(3)", {"tests": tests}).reason == "no file out.txt on test 1"


def test_a_run_leaves_nothing_for_the_next(judge: Judge) -> None:
    code = "import os\nprint(os.path.exists('seen'))\nopen('seen', 'w').close()"
    assert judge(code, {"tests": [{"stdout": "False\n"}] * 4}).correct


def test_unit_tests_that_test_nothing_are_an_error(judge: Judge) -> None:
    with pytest.raises(ValueError, match="test nothing"):
        judge("def f(): pass", {"tests": "x = 1", "entry_point": "f"})


def test_it_does_not_start_for_a_language_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="language: 'cobol' is unknown"):
        build_reward("code", {"language": "cobol"})


@pytest.mark.parametrize(
    "tests",
    [
        "def test_add():\n    assert add(1, 2) == 3\nif __name__ == '__main__':\n    test_add()",
        "def check(candidate):\n    assert candidate(1, 2) == 3\nif __name__ == '__main__':\n    check(add)",
        "async def test_add():\n    assert add(1, 2) == 3",
        "class TestAdd:\n    async def test_add(self):\n        assert add(1, 2) == 3",
    ],
)
def test_tests_that_wait_to_be_called_are_called(tests: str, judge: Judge) -> None:
    row = {"tests": tests, "entry_point": "add"}
    assert judge("def add(a, b):\n    return a + b", row).correct
    assert not judge("def add(a, b):\n    return a - b", row).correct


def test_a_text_that_calls_builtins_alone_tests_nothing(judge: Judge) -> None:
    for tests in ("print('ok')", "META = dict()\nasync def helper():\n    assert add(1, 2) == 3"):
        with pytest.raises(ValueError, match="test nothing"):
            judge("def add(a, b):\n    return 0", {"tests": tests, "entry_point": "add"})


WRITES = """
import os, json
message = json.dumps({}).encode()
os.write(3, len(message).to_bytes(4, "big") + message)
"""
HOSTILE_CLASS = """
class M(type):
    def __getattr__(cls, name): raise LookupError(name)
class Solution(metaclass=M): pass
"""


@pytest.mark.parametrize(
    "code",
    [
        "add = []\nadd.append(add)",
        HOSTILE_CLASS,
        *(WRITES.format(message) for message in (["failed"], ["failed", "no tests", "none"], 7)),
    ],
)
@pytest.mark.parametrize("entry_point", ["add", "Solution.add"])
def test_a_program_cannot_make_itself_unjudged(code: str, entry_point: str, judge: Judge) -> None:
    result = judge(code, {"tests": ADD["tests"], "entry_point": entry_point})
    assert not result.correct and result.judged
