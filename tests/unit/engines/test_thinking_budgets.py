"""Cutting thinkings at budgets and asking for answers; engine and reward are scripted, the arithmetic is
ours."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from rl.batch.types import TrainingBatch
from rl.config.algorithm import BudgetConfig
from rl.engines.thinking_budgets import FIRST_ID, AnytimeAnswers, cuts_of, thinking_tokens, with_answers
from rollout.types import (
    Completion,
    FinishReason,
    GroupRequest,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    SamplingConfig,
    VersionSpan,
)

END, MARKER = 1, 9
BUDGETS = BudgetConfig(tokens=(2, 4, 6, 8), summaries=2, summary_tokens=3, end_of_thinking="#")


def completion(tokens: Sequence[int], *, truncated: bool = False) -> Completion:
    count = len(tokens)
    return Completion(
        token_ids=np.array(tokens, np.int32),
        behavior_logprobs=np.full(count, -1.0, np.float32),
        loss_mask=np.ones(count, bool),
        spans=(VersionSpan(0, count, 3),),
        finish_reason=FinishReason.LENGTH if truncated else FinishReason.STOP,
    )


class Engine:
    """Every answer is the number of thinking tokens it was given."""

    def __init__(self) -> None:
        self.requests: list[GroupRequest] = []

    async def generate(self, request: GroupRequest, *, timeout_s: float) -> list[Completion]:
        self.requests.append(request)
        thought = len(request.prompt_token_ids) - 2 - 1  # less the prompt and the marker
        return [completion([20 + thought, END]) for _ in request.seeds]


class Reward:
    """Right from four thinking tokens on."""

    async def score(self, prompt: Prompt, texts: list[str], truncated: list[bool]) -> list[RewardResult]:
        enough = [int(t.split()[-2]) >= 24 for t in texts]
        return [RewardResult(value=float(e), correct=e) for e in enough]


def answered(*thinkings: Completion, reward: Any = None) -> tuple[RolloutGroup, Engine]:
    engine: Any = Engine()
    group = RolloutGroup(
        group_id=7,
        plan_step=3,
        prompt=Prompt(id="p", text="", token_ids=(5, 6), answer=""),
        sampling=SamplingConfig(max_tokens=8),
        rollouts=tuple(
            Rollout(completion=c, text="", result=RewardResult(value=1.0, correct=True)) for c in thinkings
        ),
    )
    ask = AnytimeAnswers(
        fleet=engine,
        scorer=reward or Reward(),
        decode=lambda batch: [" ".join(str(t) for t in row) for row in batch],
        marker=(MARKER,),
        config=BUDGETS,
        run_seed=0,
        timeout_s=5,
    )
    return asyncio.run(ask(group)), engine


@pytest.mark.parametrize(
    ("tokens", "truncated", "length"),
    [
        ([2, 3, MARKER, 4, END], False, 2),
        ([2, 3, END], False, 2),
        ([2, 3, 4], True, 3),
        ([MARKER, END], False, 0),
    ],
)
def test_thinking_ends_at_the_marker_or_the_end(tokens: list[int], truncated: bool, length: int) -> None:
    assert thinking_tokens(completion(tokens, truncated=truncated), (MARKER,)) == length


def test_a_short_thinking_is_cut_once_for_all_later_budgets() -> None:
    assert [(c.tokens, c.budgets) for c in cuts_of(0, 5, BUDGETS.tokens)] == [
        (2, (0,)),
        (4, (1,)),
        (5, (2, 3)),
    ]
    assert [(c.tokens, c.budgets) for c in cuts_of(0, 9, BUDGETS.tokens)] == [
        (2, (0,)),
        (4, (1,)),
        (6, (2,)),
        (8, (3,)),
    ]


def test_scores_masks_and_answers_of_two_thinkings() -> None:
    group, engine = answered(
        completion([2, 3, 4, 5, 6, MARKER, 7, END]), completion([2, 3, 4, MARKER, 8, END])
    )
    assert group.aux.budget_scores.tolist() == [[0, 1, 1, 1], [0, 0, 0, 0]]
    assert [r.completion.loss_mask.sum() for r in group.rollouts] == [5, 3]
    assert [r.prompt_token_ids for r in engine.requests] == [
        (5, 6, 2, 3, MARKER),
        (5, 6, 2, 3, 4, 5, MARKER),
        (5, 6, 2, 3, 4, 5, 6, MARKER),
        (5, 6, 2, 3, MARKER),
        (5, 6, 2, 3, 4, MARKER),
    ]
    ids = [r.group_id for r in engine.requests]
    assert len(set(ids)) == 5 and min(ids) >= FIRST_ID
    assert all(r.sampling.max_tokens == 3 and len(set(r.seeds)) == 2 for r in engine.requests)
    assert len({r.seeds for r in engine.requests}) == 5


def test_a_batch_holds_thinkings_and_answers_with_their_own_groups() -> None:
    group, _ = answered(completion([2, 3, 4, 5, 6, MARKER, 7, END]), completion([2, 3, 4, MARKER, 8, END]))
    batch = TrainingBatch.from_groups(3, with_answers([group]))
    assert batch.segment_ids.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert np.isnan(batch.aux.budget_scores[2:]).all() and not np.isnan(batch.aux.budget_scores[:2]).any()
    answer = slice(batch.offsets[2], batch.offsets[3])
    assert batch.token_ids[answer].tolist() == [5, 6, 2, 3, MARKER, 22, END]
    assert batch.loss_mask[answer].tolist() == [False] * 5 + [True] * 2


def test_a_thinking_whose_answers_nobody_could_judge_is_not_judged() -> None:
    class Flaky(Reward):
        async def score(self, prompt: Prompt, texts: list[str], truncated: list[bool]) -> list[RewardResult]:
            known = await super().score(prompt, texts, truncated)
            return [
                RewardResult.unjudged("down") if int(t.split()[-2]) == 25 else r
                for t, r in zip(texts, known, strict=True)
            ]

    group, _ = answered(
        completion([2, 3, 4, 5, 6, MARKER, 7, END]), completion([2, 3, 4, 5, MARKER, 8, END]), reward=Flaky()
    )
    assert group.aux.budget_scores.tolist() == [[0, 1, 1, 1]]
    assert [len(r.completion.token_ids) for r in group.rollouts] == [7] and len(group.unjudged) == 1
    batch = TrainingBatch.from_groups(3, with_answers([group]))
    assert batch.segment_ids.tolist() == [0, 1, 1, 2, 2]
