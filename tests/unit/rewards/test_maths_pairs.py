"""Pairs of a reference and a completion, by kind of fault: what a policy could get away with, and what it
would lose unjustly."""

import json
from pathlib import Path
from typing import Any

import pytest

from rewards.maths import MathReward
from rollout.types import Prompt

PAIRS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (
        (Path(__file__).parent / "data" / "maths_pairs.jsonl").read_text(encoding="utf-8").splitlines()
    )
]
KINDS = sorted({pair["kind"] for pair in PAIRS})
LONG = "a b c. " * 20_000
"""More than the window in which an answer is looked for."""


def is_right(answer: str, completion: str, *, truncated: bool = False, prompt: str = "q") -> bool:
    asked = Prompt(id="pair", text=prompt, token_ids=(), answer=answer)
    return MathReward()(asked, completion, truncated=truncated).correct


def test_there_are_many_pairs_of_both_labels() -> None:
    assert len(PAIRS) >= 400
    assert min(sum(pair["label"] for pair in PAIRS), sum(not pair["label"] for pair in PAIRS)) >= 200


@pytest.mark.parametrize("kind", KINDS)
def test_pairs(kind: str) -> None:
    wrong = [
        pair
        for pair in PAIRS
        if pair["kind"] == kind
        and pair["label"]
        is not is_right(
            pair["answer"],
            pair["completion"],
            truncated=pair.get("truncated", False),
            prompt=pair.get("prompt", "q"),
        )
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("completion", "prompt", "right"),
    [
        (f"<think>{LONG}\\boxed{{42}}. Wait", "q", False),
        (f"{LONG}\\boxed{{42}}. Wait", "q<think>\n", False),
        (f"<think>{LONG}</think>\\boxed{{42}}", "q", True),
        (f"{LONG}</think>\\boxed{{42}}", "q<think>\n", True),
    ],
)
def test_a_thinking_longer_than_the_window_is_still_one(completion: str, prompt: str, right: bool) -> None:
    assert is_right("42", completion, prompt=prompt) is right
