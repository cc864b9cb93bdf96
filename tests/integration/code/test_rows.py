"""Rows and completions as other data sets and everyday chats have them: each with the verdict that it must
get."""

import json
from pathlib import Path
from typing import Any

import pytest

from rollout.types import Prompt
from tests.integration.code.conftest import Judge, Rewards

ADD = "def add(a, b):\n    return a + b"
METHOD = "class Solution:\n    def add(self, a, b):\n        return a + b"
SORT = "def srt(a):\n    return sorted(a)"
ONE = "def srt(a):\n    return a[0] if len(a) == 1 else sorted(a)"
WRAPPED = {"fn_name": "add", "inputs": [[1, 2], [3, 4]], "outputs": [[3], [7]]}
BARE = {"fn_name": "srt", "inputs": [[[3, 1]], [[5]]], "outputs": [[1, 3], [5]]}
LINES = {"tests": [{"input": "1\n2", "output": "3", "testtype": "functional"}], "entry_point": "add"}
ASKED_ADD = {"args": [1, 2], "expected": None}
HUGE = "0" * 5000
"""Zeros; Python's own limit is 4,300 digits."""


@pytest.mark.parametrize(
    ("row", "program", "correct"),
    [
        # {inputs, outputs, fn_name}: wrapped results are lists of one, all of them
        ({"tests": WRAPPED}, ADD, True),
        ({"tests": WRAPPED}, ADD.replace("a + b", "[a + b]"), False),
        ({"tests": WRAPPED}, ADD.replace("+", "*"), False),
        ({"tests": BARE}, SORT, True),
        ({"tests": BARE}, ONE, False),
        ({"tests": {**BARE, "inputs": [[[2, 1]]], "outputs": [[[1, 2]]]}}, SORT, True),
        ({"tests": {**WRAPPED, "outputs": [3, 7]}}, ADD, True),
        ({"tests": {**WRAPPED, "inputs": ["1\n2", "3\n4"], "outputs": ["3", "7"]}}, ADD, True),
        ({"tests": {**WRAPPED, "inputs": ["1\n2", "3\n4"], "outputs": ["[3]", "[7]"]}}, ADD, False),
        # methods of class Solution by their bare name; a new instance for each call
        ({"tests": WRAPPED}, METHOD, True),
        ({"tests": WRAPPED}, METHOD.replace("a + b", "a"), False),
        ({"tests": WRAPPED}, METHOD.replace("add", "plus"), False),
        ({"tests": ["assert add(1, 2) == 3"]}, METHOD, True),
        ({"tests": "def check(candidate):\n    assert candidate(1, 2) == 3", "entry_point": "add"}, METHOD,
        True),
        ({"tests": BARE}, "class Solution:\n    def __init__(self): self.a = []\n    def srt(self, a):\n"
         "        self.a += a\n        return sorted(self.a)", True),
        ({"tests": BARE},
        "from heapq import merge as srt\nclass Solution:\n    def srt(self, a): return sorted(a)", False),
        ({"tests": [{"args": [[[1, 4], [2, 3]]], "expected": [[1, 4]]}], "entry_point": "merge"},
         "class Solution:\n    def merge(self, a: List) -> List:\n        "
         "return [max(a, key=lambda x: x[1] - x[0])]", True),
        ({"tests": [{"args": [[1, 1, 2]], "expected": 2}], "entry_point": "Solution.f"},
         "class Solution:\n    def f(self, a: List[int]) -> int:\n        return max(Counter(a).values())",
         True),
        ({"tests": [{"args": [[1, 1, 2]], "expected": 2}], "entry_point": "f"},
         "def f(a):\n    return max(Counter(a).values())", False),
        # LiveCodeBench
        (LINES, ADD, True),
        (LINES, ADD.replace("+", "-"), False),
        ({"tests": LINES["tests"], "func_name": "add"}, METHOD, True),
        ({"tests": [{"input": "[2, 1]", "output": "[1, 2]", "testtype": "functional"}], "fn_name": "srt"},
        SORT, True),
        ({"tests": [{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]},
        "print(sum(map(int, input().split())))", True),
        # null is absent
        ({"tests": [{"stdin": "", "stdout": "3\n", "exit_code": None, "argv": None, "files": None}]},
        "print(3)", True),
        ({"tests": [{"stdin": "", "stdout": "3\n", "exit_code": None}]}, "print(4)", False),
        ({"tests": [{"args": [1, 2], "kwargs": None, "expected": 3, "stdin": None}], "entry_point": "add"},
        ADD, True),
        ({"tests": [{"args": [1], "kwargs": {"b": 2, "c": None}, "expected": 3}], "entry_point": "add"}, ADD,
        True),
        ({"tests": {"inputs": ["3\n"], "outputs": ["3\n"], "fn_name": None, "functional": None}},
        "print(input())", True),
        ({"tests": [{"files": {"a.txt": "3", "b.txt": None}}]}, "open('a.txt', 'w').write('3')", True),
        ({"tests": [ASKED_ADD, {"args": [3, 4], "expected": 7}], "entry_point": "add"}, ADD, False),
        ({"tests": [ASKED_ADD], "entry_point": "add", "canonical_solution": ADD}, ADD, True),
        ({"tests": [ASKED_ADD], "entry_point": "add", "canonical_solution": ADD}, "def add(a, b): pass",
        False),
        # integers of more digits than Python prints by default
        ({"tests": [{"stdin": "5000", "stdout": "1" + HUGE}]}, "print(10 ** int(input()))", True),
        ({"tests": [{"stdin": "5000", "stdout": "2" + HUGE}]}, "print(10 ** int(input()))", False),
        ({"tests": '[{"args": [5000], "expected": 1' + HUGE + "}]", "entry_point": "f"},
        "def f(n):return int(str(10 ** n))", True),
        ({"tests": ["assert len(str(f(5000))) == 5001"]}, "def f(n): return 10 ** n", True),
    ],
)  # fmt: skip
def test_rows_of_other_data_sets(row: dict[str, Any], program: str, correct: bool, judge: Judge) -> None:
    result = judge(f"```python\n{program}\n```", row)
    assert (result.correct, bool(result.reason)) == (correct, not correct)


EVERYDAY = [
    json.loads(line) for line in (Path(__file__).parent / "data" / "everyday.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize(
    "case", EVERYDAY, ids=[f"{number} {case['completion'][:30]!r}" for number, case in enumerate(EVERYDAY, 1)]
)
def test_everyday_completions(case: dict[str, Any], judge: Judge) -> None:
    result = judge(case["completion"], case["row"], truncated=case.get("truncated", False))
    assert (result.correct, bool(result.reason)) == (case["correct"], not case["correct"])


def test_numbers_beyond_floats_are_not_all_the_same_with_a_tolerance(judge: Judge) -> None:
    assert not judge(
        "print(2 * 10 ** 400)", {"tests": [{"stdin": "", "stdout": "1" + "0" * 400}]}, float_tolerance=0.01
    ).correct
    calls = {"tests": [{"args": [], "expected": 0.5}], "entry_point": "f"}
    assert judge("def f(): return 10 ** 400", calls, float_tolerance=0.01).reason == "wrong answer"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tests": [{"args": [1], "expected": None}], "entry_point": "f"}, "every expected value is null"),
        (
            {"tests": [{"args": [1]}], "entry_point": "f"},
            "no expected value, and the row no canonical_solution",
        ),
        ({"tests": [{"stdin": "1", "stdout": None}]}, "neither stdout nor exit_code nor files"),
        ({"tests": [{"input": "a", "output": "1", "testtype": "functional"}], "entry_point": "f"}, "no JSON"),
        ({"tests": [{"input": "1", "output": "1", "testtype": "functional"}]}, "entry_point: missing"),
        ({"tests": [{"stdin": "", "stdout": "3", "argv": "a b"}]}, "argv is str; give the list"),
        ({"tests": [{"stdin": "", "files": "a.txt"}]}, "files is str; give a mapping"),
        (
            {"tests": [{"args": [1], "kwargs": [2], "expected": 3}], "entry_point": "f"},
            "kwargs is list; give a mapping",
        ),
        (
            {"tests": [{"stdin": "", "stdout": "3", "exit_code": "none"}]},
            "exit_code is 'none'; give a whole number",
        ),
    ],
)
def test_what_a_row_lacks_is_said_before_any_program_runs(
    row: dict[str, Any], message: str, rewards: Rewards
) -> None:
    with pytest.raises(ValueError, match=message):
        rewards().check(Prompt(id="p", text="", token_ids=(), answer="", metadata=row))


HALF = "Half of x.\n\nimport math\n\ndef half(x):\n    '''Half.'''\n"
ASKED = {"tests": ["assert half(4) == 2"], "entry_point": "half"}


@pytest.mark.parametrize(
    ("prompt", "completion", "truncated", "correct"),
    [
        # the prompt's own source, continued or said again
        (HALF, "    return math.floor(x / 2)\n", False, True),
        (HALF, "```python\ndef half(x):\n    return math.floor(x / 2)\n```", False, True),
        ("Mend it:\ndef half(x):\n    return x // 2\n", "# It is fine as it is.", False, False),
        ("<|user|>" + HALF + "<|assistant|>", "    return x / 2\n", False, False),
        ("<|user|>" + HALF + "<|assistant|>", "def half(x):\n    return x / 2\n", False, True),
        # what is thought is no program, whoever opened the thinking
        ("q <think>\n", "Try\n```python\ndef half(x):\n    return x / 2\n```\nHmm, that is wrong, so", True,
        False),
        ("q <think>\n", "Try\n```python\ndef half(x):\n    return x / 2\n```\nHmm", False, False),
        ("q <think>\n", "Hm.</think>\n```python\ndef half(x):\n    return x / 2\n```", False, True),
        ("q", "<think>```python\ndef half(x):\n    return x / 2\n```</think>I do not know.", False, False),
        ("q", "```python\ndef half(x):\n    return x / 2\n```\nBetter:\n```python\ndef half(x):\n    ret",
        True, False),
        ("q", "<answer>def half(x): return x / 2</answer> no, <answer>", False, False),
    ],
)  # fmt: skip
def test_prompts_and_thinking(
    prompt: str, completion: str, truncated: bool, correct: bool, rewards: Rewards
) -> None:
    asked = Prompt(id="p", text=prompt, token_ids=(), answer="", metadata=ASKED)
    assert rewards()(asked, completion, truncated=truncated).correct is correct


def test_the_policys_own_thinking_tags_count(rewards: Rewards) -> None:
    asked = Prompt(
        id="p", text="[THINK]", token_ids=(), answer="", metadata=ASKED, thinking_tags=("[THINK]", "[/THINK]")
    )
    program = "```python\ndef half(x):\n    return x / 2\n```"
    assert not rewards()(asked, program, truncated=False).correct
    assert rewards()(asked, f"so[/THINK]{program}", truncated=False).correct
