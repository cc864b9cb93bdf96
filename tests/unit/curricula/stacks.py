"""Stacks over a pool of twenty prompts, their statistics and groups. Not a test."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from curricula import build_curriculum
from curricula.base import Curriculum, Plan
from curricula.drawing.uniform import EqualAllocator, UniformSampler
from curricula.pool import PromptPool
from curricula.stack import CurriculumStack
from rl.config.curriculum import CurriculumConfig
from rollout.statistics import StatisticsStore
from rollout.types import (
    Completion,
    FinishReason,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    RolloutStat,
    SamplingConfig,
    VersionSpan,
)

KEY = SamplingConfig().key
POOL = PromptPool.from_prompts(
    [
        Prompt(id=f"p{i}", text="", token_ids=(1,), answer="", category="ab"[i % 2], difficulty=i % 3)
        for i in range(20)
    ]
)
UNIFORM = {"sampler": UniformSampler(), "allocator": EqualAllocator()}


def new_store() -> StatisticsStore:
    return StatisticsStore(POOL.ids, sampling_key=KEY)


def stack_of(
    parts: Mapping[str, Curriculum], *, store: StatisticsStore | None = None, seed: int = 0, lag: int = 0
) -> CurriculumStack:
    return CurriculumStack(parts, pool=POOL, store=store or new_store(), seed=seed, lag=lag)


def built(store: StatisticsStore | None = None, *, lag: int = 0, **slots: Any) -> CurriculumStack:
    config = CurriculumConfig.model_validate(slots).model_dump()
    return build_curriculum(config, pool=POOL, store=store or new_store(), seed=0, lag=lag)


def stats_of(plan: Plan, step: int) -> list[RolloutStat]:
    """Outcomes fixed by (prompt, step): prompt i succeeds with probability i / 20."""
    out = []
    for index, n in zip(plan.prompt_indices.tolist(), plan.num_rollouts.tolist(), strict=True):
        correct = int(np.random.default_rng([index, step]).binomial(n, index / 20))
        out.append(stat(index, n=n, correct=correct, step=step))
    return out


def stat(index: int, *, n: int, correct: int, step: int = 0) -> RolloutStat:
    return RolloutStat(
        plan_step=step,
        prompt_id=f"p{index}",
        category="ab"[index % 2],
        difficulty=index % 3,
        sampling_key=KEY,
        num_rollouts=n,
        num_correct=correct,
        num_truncated=0,
        num_tokens=5 * n,
        min_policy_version=step,
        max_policy_version=step,
        kept=0 < correct < n,
    )


def group_of(outcomes: Sequence[bool], *, step: int = 0) -> RolloutGroup:
    completion = Completion(
        token_ids=np.array([1, 2], dtype=np.int32),
        behavior_logprobs=np.zeros(2, dtype=np.float32),
        loss_mask=np.ones(2, dtype=bool),
        spans=(VersionSpan(0, 2, step),),
        finish_reason=FinishReason.STOP,
    )
    rollouts = tuple(
        Rollout(completion=completion, text="", result=RewardResult(value=0.5 + i, correct=right))
        for i, right in enumerate(outcomes)
    )
    prompt = Prompt(id="p0", text="", token_ids=(1,), answer="")
    return RolloutGroup(
        group_id=0, plan_step=step, prompt=prompt, sampling=SamplingConfig(), rollouts=rollouts
    )


def plan_next(stack: CurriculumStack, step: int, *, num_prompts: int = 4, budget: int = 32) -> Plan:
    return stack.plan(step, total_steps=40, num_prompts=num_prompts, rollout_budget=budget)


def as_lists(plan: Plan) -> tuple[list[int], list[int]]:
    return plan.prompt_indices.tolist(), plan.num_rollouts.tolist()
