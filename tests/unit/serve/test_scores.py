"""Scores of a reward for strategies that compare samples."""

import asyncio
from collections.abc import Sequence

import pytest

from planner.strategies.base import Attempt
from rl.serve.judges import RewardScorer
from rollout.types import Prompt, RewardResult


@pytest.mark.parametrize(
    ("judged", "expected"), [([-2.0, -1.0], [-2.0, -1.0, -2.0]), ([1.0, 0.5], [1.0, 0.5, 0.0])]
)
def test_what_could_not_be_judged_beats_nothing_and_has_no_vote(
    judged: list[float], expected: list[float]
) -> None:
    class Pool:
        async def score(
            self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
        ) -> list[RewardResult]:
            return [
                *(RewardResult(value=value, correct=False) for value in judged),
                RewardResult.unjudged("down"),
            ]

    attempts = [Attempt(text="", tokens=1, truncated=False, token_ids=(1,))] * 3
    scores = asyncio.run(
        RewardScorer(scorer=Pool()).score(Prompt(id="p", text="", token_ids=(), answer=""), attempts)
    )
    assert [score.value for score in scores] == expected
