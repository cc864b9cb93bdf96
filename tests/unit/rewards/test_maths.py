"""The maths reward on real problems, on Math-Verify's own cases, and on attacks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rewards.maths import MathReward, same_answer
from rewards.maths.algebra import EXPLOSIVE, is_dangerous
from rollout.types import Prompt

GSM8K = Path(__file__).parents[3] / "examples" / "data" / "gsm8k_mini.jsonl"
DATA = Path(__file__).parent / "data"
EXPLODING = ("2^{99999}", "9^{9^{9}}", "\\binom{99999}{5}", "(99!)!", "1!2!3!4!", "|1" * 14, "\\int x" * 5)
"""One for each kind in EXPLOSIVE."""
PromptFor = Callable[[str], Prompt]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def by_id(cases: list[dict[str, Any]]) -> dict[str, Any]:
    return {"argvalues": cases, "ids": [case["id"] for case in cases]}


def test_the_gold_answer_of_gsm8k_scores_one(prompt_for: PromptFor) -> None:
    problems = rows(GSM8K)
    assert len(problems) == 60
    reward = MathReward()
    for row in problems:
        assert reward(prompt_for(row["answer"]), row["solution"], truncated=False).value == 1.0, row["id"]
        assert (
            reward(prompt_for(row["solution"]), f"\\boxed{{{row['answer']}}}", truncated=False).value == 1.0
        ), row["id"]
        wrong = f"#### {int(row['answer']) + 1}"
        assert reward(prompt_for(row["answer"]), wrong, truncated=False).reason == "wrong", row["id"]


@pytest.mark.parametrize("case", **by_id(rows(DATA / "math_verify_subset.jsonl")))
def test_math_verify_cases(case: dict[str, Any], prompt_for: PromptFor) -> None:
    assert (
        MathReward()(prompt_for(case["gold"]), case["prediction"], truncated=False).correct
        is case["expected"]
    )


@pytest.mark.parametrize("case", **by_id(rows(DATA / "math_grader_attacks.jsonl")))
def test_attacks(case: dict[str, Any], prompt_for: PromptFor) -> None:
    result = MathReward()(prompt_for(case["gold"]), case["completion"], truncated=False)
    assert case["expected"] is None or result.correct is case["expected"]


@pytest.mark.parametrize(
    ("text", "truncated", "reason"),
    [
        ("", False, "empty"),
        (" \n ", False, "empty"),
        ("I do not know.\nSorry.", False, "no answer"),
        ("\\boxed{}", False, "no answer"),
        ("so 40 + 2 is 42", True, "truncated"),
        ("so \\boxed{4", True, "truncated"),
        ("#### 42\nand then it went on and on", True, ""),
        ("so 40 + 2 is 42", False, ""),
        ("\\boxed{41}", False, "wrong"),
        ("\\boxed{" + "1+" * 400 + "1}", False, "answer too long"),
    ],
)
def test_reasons(text: str, truncated: bool, reason: str, prompt_for: PromptFor) -> None:
    result = MathReward()(prompt_for("42"), text, truncated=truncated)
    assert result.reason == reason
    assert result.correct is (reason == "")
    assert result.value == float(reason == "")


def test_uncommitted_answers_can_be_refused(prompt_for: PromptFor) -> None:
    strict = MathReward(extraction="strict")
    assert strict(prompt_for("42"), "the answer is 42", truncated=False).reason == "not committed"
    assert strict(prompt_for("42"), "#### 42", truncated=False).correct


@pytest.mark.parametrize(
    ("gold", "given", "same"),
    [
        ("x^2+2x+1", "(x+1)^2", True),
        ("x^2+2x+1", "(x-1)^2", False),
        ("\\frac{\\sqrt{3}}{3}", "\\frac{1}{\\sqrt{3}}", True),
        ("\\frac{\\sqrt{3}}{3}", "\\frac{\\sqrt{3}}{3} \\approx 0.577", True),
        ("5", "x = 5", True),
        ("5", "2 + 3 = 5", True),
        ("42", "41 = 42", False),
        ("42", "41 \\approx 42", False),
        ("42", "40+1 \\approx 42", False),
        ("41", "40+1 \\approx 42", True),
        ("42", "x - x + 41 \\approx 42", False),
        ("41", "x - x + 41 \\approx 42", True),
        ("7", "x+y \\approx 7", True),
        ("7", "x+y≈6≈7≈8", False),
        ("8", "x+y≈6≈7≈8", False),
        ("6", "x+y≈6≈7≈8", False),
        ("42", "6 \\cdot 7", True),
        ("y = x + 1", "x + 1", True),
        ("16", "Seth is 16 years old", True),
        ("16", "between 15 and 16", False),
        ("A", "\\textbf{(A)}", True),
        ("yes", "Yes.", True),
        ("odd", "ddo", False),  # the same product of letters
        ("\\{1,2\\}", "\\{2,1\\}", True),
        ("[0,\\infty)", "[0,\\infty)", True),
        ("\\sqrt{2}", "9\\infty" * 60, False),  # math-verify says true
        ("\\{1,2\\}", "9^\\infty" * 60, False),
        ("7", "7 \\text{ but } 8", False),
        ("0", "\\text{nan}", False),
        ("6", "x=5 or x=6", False),
        ("6", "x = 5 \\lor x = 6", False),
        ("5,6", "x = 6 or x = 5", True),
        ("5", "5 \\text{ or } 5.0", True),
        ("1 \\pm \\sqrt{19}", "1+\\sqrt{19}, 1-\\sqrt{19}", True),
        ("1 \\pm \\sqrt{19}", "17, 1 \\pm \\sqrt{19}", False),
        ("\\frac{3}{56}", "5 | \\frac{3}{56}", False),
        # a fraction inside what cannot be read
        ("\\frac{3}{56}", "\\begin{cases} \\frac{3}{56} \\\\ 5 \\end{cases}", False),
        ("5", "5 \\text{ but perhaps } \\sqrt{51}", False),
        ("5", "\\text{not } 5", False),
        ("5", "x \\neq 5", False),
        ("5", "more than 5", False),
        ("200", "3 \\text{ hours } 20 \\text{ minutes}", False),
        ("120", "2 \\text{ hours} = 120 \\text{ minutes}", True),
        ("2.74", "2,74", True),
        ("0,111", "0.111", True),
        ("2", "2,0", False),
        ("5 \\text{ cm}", "0.05 \\text{ m}", True),
        ("\\$10", "10 dollars", True),
        ("5 feet", "5 meters", False),
        ("B", "\\textbf{(B)}\\ 12", True),
        ("12", "\\textbf{(B)}\\ 12", True),
        ("B", "\\textbf{(C)}\\ 12", False),
        ("B", "(B) or (C)", False),
        ("0", "7 , {0}", False),
        ("10%", "0.1", True),
        ("204_5", "204_6", False),
        ("204_5", "204", True),
        ("(1,2)", "(2,1)", False),
        ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{bmatrix} 1 \\\\ 2 \\end{bmatrix}", True),
        ("x \\in [-2,7]", "-2 \\le x \\le 7", False),
    ],
)
def test_sameness(gold: str, given: str, same: bool) -> None:
    assert same_answer(gold, given) is same


def test_arguments(prompt_for: PromptFor) -> None:
    column, rounded = (
        "\\begin{pmatrix}\\frac13\\\\\\frac15\\end{pmatrix}",
        "\\boxed{\\begin{pmatrix}0.33\\\\0.2\\end{pmatrix}}",
    )
    assert not MathReward()(prompt_for(column), rounded, truncated=False).correct
    assert MathReward(precision=2)(prompt_for(column), rounded, truncated=False).correct
    interval, chain = "x \\in [-2,7]", "\\boxed{-2 \\le x \\le 7}"
    assert MathReward(relations_for_sets=True)(prompt_for(interval), chain, truncated=False).correct
    assert (
        MathReward(extraction="boxed")(prompt_for("7"), "#### 7", truncated=False).reason == "not committed"
    )
    plain = MathReward(plain_numbers=True)
    assert not plain(prompt_for("42"), "\\boxed{6 \\cdot 7}", truncated=False).correct
    assert plain(prompt_for("42"), "\\boxed{6 \\cdot 7 = 42.0}", truncated=False).correct
    assert plain(prompt_for("x^2"), "\\boxed{x \\cdot x}", truncated=False).correct
    assert MathReward(extraction="latex")(prompt_for("7"), "so $x = 7$, by 3 votes", truncated=False).correct


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            {"extraction": "loose"},
            "reward_args.extraction is 'loose'; use one of lenient, latex, strict, boxed",
        ),
        ({"precision": 0}, "reward_args.precision is 0"),
        ({"precision": True}, "reward_args.precision is True"),
        ({"precision": 2.5}, "reward_args.precision is 2.5"),
    ],
)
def test_wrong_arguments_are_named(args: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MathReward(**args)


@pytest.mark.parametrize(
    ("kind", "text"),
    list(zip(EXPLOSIVE, EXPLODING, strict=True)),
)
def test_explosive_answers_are_not_computed(kind: str, text: str) -> None:
    assert is_dangerous(text), kind
    assert not same_answer("7", text)
    assert same_answer(text, text), "the reference itself may be of that kind"


@pytest.mark.parametrize(
    "text",
    ["2^{2024}", "e^{x^{2}}", "|x-1|+|x+1|", "\\frac{10!}{3!7!}", "\\binom{52}{5}", "\\int_0^1 x\\,dx"],
)
def test_ordinary_answers_are_not_called_explosive(text: str) -> None:
    assert not is_dangerous(text)
