"""Writes the controller's state of a small run as a checkpoint holds it, under today's schema.

    python -m tests.unit.run.schemas.make    # writes tests/unit/run/schemas/N, N = rl.run.state_file.SCHEMA

Run it once, when a new schema is begun, and commit what it wrote. What earlier schemas wrote stays as it is:
the tests read all of them with the code of today.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from curricula import build_curriculum
from curricula.pool import PromptPool
from curricula.stack import CurriculumStack
from rl.batch.planner_targets import PlannerLoop
from rl.config.algorithm import PlannerConfig
from rl.config.schema import Config
from rl.run.state import RunState, Totals
from rl.run.state_file import SCHEMA, write_document
from rl.stream.buffer import StreamBuffer
from rl.stream.plans import GroupState, GroupStatus, PlanState, new_groups
from rollout.statistics import StatisticsStore
from rollout.types import (
    Completion,
    Failure,
    FinishReason,
    Prompt,
    RewardResult,
    Rollout,
    RolloutAux,
    RolloutGroup,
    SamplingConfig,
    VersionSpan,
)

STEPS, PROMPTS_PER_STEP, ROLLOUTS = 4, 3, 2
SAMPLING = SamplingConfig(temperature=0.7, max_tokens=8)
PROMPTS = [
    Prompt(
        id=f"train/{i}",
        text=f"{i} + 1 = ",
        token_ids=(1, 2 + i),
        answer=str(i + 1),
        category="ab"[i % 2],
        metadata={"terms": [i, 1], "carry": None, "scale": 0.1},
    )
    for i in range(8)
]


class Parts:
    """The parts of a run whose state is saved."""

    def __init__(self) -> None:
        pool = PromptPool.from_prompts(PROMPTS)
        self.buffer = StreamBuffer(max_staleness=1, rollover_share=0.5)
        self.statistics = StatisticsStore(pool.ids, sampling_key=SAMPLING.key)
        config = Config.model_validate(
            {
                "task": {"kind": "reasoning_gym"},
                "model": {"kind": "recipe"},
                "curriculum": {"skip": {"name": "greso"}, "category": {"name": "sec"}},
            }
        )
        self.curriculum: CurriculumStack = build_curriculum(
            config.curriculum.model_dump(), pool=pool, store=self.statistics, seed=0, lag=1, max_tokens=8
        )
        self.planner = PlannerLoop(PlannerConfig(), self.statistics, group_size=ROLLOUTS, steps=STEPS)

    def draw(self) -> PlanState:
        """Open the next plan, with its groups waiting."""
        plan = self.buffer.open()
        drawn = self.curriculum.plan(
            plan.step,
            total_steps=STEPS,
            num_prompts=PROMPTS_PER_STEP,
            rollout_budget=PROMPTS_PER_STEP * ROLLOUTS,
        )
        groups = new_groups(
            plan_step=plan.step,
            refill_round=0,
            prompts=[PROMPTS[i] for i in drawn.prompt_indices],
            num_rollouts=[int(n) for n in drawn.num_rollouts],
            max_tokens=[8] * PROMPTS_PER_STEP,
            sampling=SAMPLING,
            run_seed=0,
        )
        self.buffer.add(plan.step, groups)
        return plan

    def train(self, plan: PlanState) -> None:
        """What the controller does with a plan that was trained."""
        self.buffer.discard(plan.step)
        self.curriculum.observe(plan.step, plan.stats())
        self.planner.advance(plan.step + 1)

    def state(self, *, version: int) -> RunState:
        """The state between two steps."""
        return RunState(
            version=version,
            stream=self.buffer.state_dict(),
            curriculum=self.curriculum.state_dict(),
            statistics=self.statistics.state_dict(),
            planner=self.planner.state_dict(),
            totals=Totals(rollouts=6, rollout_tokens=22, groups_trained=3, train_s=0.1 + 0.2),
        )

    def restore(self, state: RunState) -> None:
        """As a resume does."""
        self.buffer.load_state_dict(state.stream)
        self.statistics.load_state_dict(state.statistics)
        self.curriculum.load_state_dict(state.curriculum)
        self.planner.load_state_dict(state.planner)


def rollout(number: int, *, judged: bool = True) -> Rollout:
    """A completion over which the weights changed; every second one is right."""
    length = 3 + number % 3
    completion = Completion(
        token_ids=np.arange(5, 5 + length, dtype=np.int32),
        behavior_logprobs=-np.arange(1, 1 + length, dtype=np.float32) / 3,
        loss_mask=np.arange(length) < length - 1,
        spans=(VersionSpan(0, 2, 0), VersionSpan(2, length, 1)),
        finish_reason=(FinishReason.STOP, FinishReason.LENGTH)[number % 2],
    )
    right = number % 2 == 0
    result = RewardResult(
        value=0.9 * right,
        correct=right,
        components={"form": 1 / 3},
        reason="" if right else "no answer",
    )
    return Rollout(completion=completion, text=f"it is {number} ±", result=result if judged else UNJUDGED)


UNJUDGED = RewardResult.unjudged("timeout", Failure.TIMEOUT)


def finish(buffer: StreamBuffer, state: GroupState, *, unjudged: bool = False) -> None:
    """What the rollout service and the controller do with a group that came back."""
    state.issues, state.issued_version, state.issued_at = state.issues + 1, 0, 1700000000.125
    state.group = RolloutGroup(
        group_id=state.request.group_id,
        plan_step=state.plan_step,
        prompt=state.prompt,
        sampling=state.request.sampling,
        rollouts=tuple(rollout(i, judged=not (unjudged and i == 0)) for i in range(len(state.request.seeds))),
        issues=state.issues,
        issued_at=state.issued_at,
        finished_at=1700000001.5,
    )
    state.status, state.finished_version = GroupStatus.FINISHED, 0
    buffer.finish(state, kept=not unjudged, reason="alone" if unjudged else "", indices=None)


def make() -> RunState:
    """One plan trained; of the next, two groups are finished and one is on an engine; one more waits."""
    parts = Parts()
    first = parts.draw()
    for group in first.groups:
        finish(parts.buffer, group)
    second = parts.draw()
    parts.train(first)
    plain, unjudged, away = second.groups
    finish(parts.buffer, plain)
    assert plain.group is not None
    answer = replace(plain.group, group_id=1 << 61, aux=RolloutAux(budget_scores=np.full((2, 2), np.nan)))
    aux = RolloutAux(budget_scores=np.array([[0.0, 1.0], [0.5, 1.0]]))
    plain.group, plain.indices = replace(plain.group, aux=aux, answers=(answer,)), (1, 0)
    finish(parts.buffer, unjudged, unjudged=True)
    away.status, away.issues, away.issued_version = GroupStatus.INFLIGHT, 2, 1
    assert parts.buffer.can_open(confirmed_version=1)
    parts.draw()
    return parts.state(version=1)


if __name__ == "__main__":
    directory = Path(__file__).parent / str(SCHEMA)
    directory.mkdir()
    write_document(directory, make().document())
    print(directory)
