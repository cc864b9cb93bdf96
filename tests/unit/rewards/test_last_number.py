"""The last number of a text, and what it is not fooled by."""

from fractions import Fraction

import pytest

from rewards.last_number import LastNumberReward, last_number
from rollout.types import Prompt


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", 7),
        ("3 + 4 = 7.", 7),
        ("3 - 10 = -7", -7),
        ("10-7", 7),
        ("(10)-7", 7),
        ("the answer is \N{MINUS SIGN}7", -7),
        ("+7", 7),
        ("$1,234.50", Fraction("1234.5")),
        ("1,23", 23),
        ("12,345,67", 67),
        ("07", 7),
        ("7.0", 7),
        ("1 2 3 4", 4),
        ("**9**\n", 9),
        ("7%", 7),
        ("seven", None),
        ("", None),
        ("7" * 101, None),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", None),
    ],
)
def test_the_last_number(text: str, number: Fraction | None) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize(
    ("answer", "text", "truncated", "reason"),
    [
        ("7", "It is 7", False, ""),
        ("7", "7.0", False, ""),
        ("She has 3 + 4 = <<3+4=7>>7.\n#### 7", "So 7", False, ""),
        ("7", "1 2 3 4 5 6 7 8", False, "wrong"),
        ("7", "It is 7", True, "truncated"),
        ("7", "<answer>7</answer> or", True, ""),
        ("7", "<answer>7</answer> not 8", False, ""),
        ("7", "<think>7</think> none", False, "no answer"),
        ("7", "<think>it may be 7", False, "no answer"),
        ("7", " ", False, "empty"),
    ],
)
def test_verdicts(answer: str, text: str, truncated: bool, reason: str) -> None:
    prompt = Prompt(id="p", text="?", token_ids=(), answer=answer)
    verdict = LastNumberReward()(prompt, text, truncated=truncated)
    assert (verdict.correct, verdict.reason or "") == (reason == "", reason)


def test_a_reference_without_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="prompt p: the answer 'none' has no number"):
        LastNumberReward().check(Prompt(id="p", text="?", token_ids=(), answer="none"))
