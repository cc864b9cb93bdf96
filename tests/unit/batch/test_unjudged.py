"""Unjudged, the third outcome: in no baseline, loss, denominator, pass rate, statistic or verdict; sampled
tokens still count."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch

from curricula.filters.mixed import MixedOutcomes
from curricula.filters.pods import Pods
from rewards.user_functions.callables import CallableReward
from rl.batch.annotate import with_posterior
from rl.batch.demonstrations import Demonstrations
from rl.batch.types import TrainingBatch
from rl.config.algorithm import AlgorithmConfig, DemonstrationConfig
from rl.objective.advantages import ADVANTAGES
from rl.objective.samples import Samples, Tokens
from rl.objective.terms import UpdateTerms, update_terms
from rl.run.step_metrics import group_metrics
from rl.stream.plans import UNJUDGED, GroupState, GroupStatus, PlanState
from rollout.statistics import StatisticsStore
from rollout.types import (
    Completion,
    FinishReason,
    GroupRequest,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    RolloutStat,
    SamplingConfig,
    VersionSpan,
)
from tests.unit.run.test_controller import build

RIGHT = RewardResult(value=1.0, correct=True)
WRONG = RewardResult(value=0.0, correct=False, reason="wrong")
LOST = RewardResult.unjudged("crash")
PROMPT = Prompt(id="p0", text="q", token_ids=(1,), answer="1")


def rollout(result: RewardResult, length: int = 2, *, cut: bool = False) -> Rollout:
    completion = Completion(
        token_ids=np.arange(length, dtype=np.int32),
        behavior_logprobs=np.zeros(length, dtype=np.float32),
        loss_mask=np.ones(length, dtype=bool),
        spans=(VersionSpan(0, length, 0),),
        finish_reason=FinishReason.LENGTH if cut else FinishReason.STOP,
    )
    return Rollout(completion=completion, text="", result=result)


def group_of(*rollouts: Rollout, number: int = 0) -> RolloutGroup:
    return RolloutGroup(
        group_id=number, plan_step=0, prompt=PROMPT, sampling=SamplingConfig(), rollouts=rollouts
    )


def terms_of(batch: TrainingBatch, config: AlgorithmConfig) -> UpdateTerms:
    lengths = torch.from_numpy(np.diff(batch.offsets) - batch.prompt_lens)
    samples = Samples(
        rewards=torch.from_numpy(batch.rewards),
        correct=torch.from_numpy(batch.correct),
        segment_ids=torch.from_numpy(batch.segment_ids).long(),
        lengths=lengths,
        truncated=torch.from_numpy(batch.truncated),
        demonstration=torch.from_numpy(batch.demonstration),
        max_tokens=8,
    )
    sample = torch.arange(len(lengths)).repeat_interleave(lengths)
    values = torch.zeros(len(sample)) if config.advantage.name == "gae" else None
    return update_terms(samples, Tokens(sample=sample, values=values), config)


def test_a_function_that_abstains_on_one_of_four_right_answers_moves_none() -> None:
    def abstains(completions: Sequence[str], **columns: Any) -> list[float | None]:
        return [None if text == "?" else 1.0 for text in completions]

    reward = CallableReward(abstains)
    results = [reward(PROMPT, text, truncated=False) for text in ("a", "b", "?", "c")]
    assert [r.judged for r in results] == [True, True, False, True]
    batch = TrainingBatch.from_groups(0, [group_of(*map(rollout, results))])
    assert terms_of(batch, AlgorithmConfig()).advantages.tolist() == [0.0] * 6


@pytest.mark.parametrize("advantage", sorted(ADVANTAGES.keys() - {"brpo"}))
def test_every_estimator_sees_the_judged_alone(advantage: str) -> None:
    judged = [rollout(RIGHT, 3), rollout(WRONG, 5, cut=True), rollout(WRONG, 2)]
    other = [rollout(WRONG, 4), rollout(RIGHT, 1)]
    with_lost = [judged[0], rollout(LOST, 7), *judged[1:], rollout(LOST, 1, cut=True)]
    config = AlgorithmConfig.model_validate(
        {"advantage": advantage, "aggregation": "sequence", "group_weight": "prompt"}
    )
    batches = [
        TrainingBatch.from_groups(0, [group_of(*first), group_of(*second, number=1)])
        for first, second in ((judged, other), (with_lost, [rollout(LOST), *other]))
    ]
    expected, found = (terms_of(batch, config) for batch in batches)
    assert torch.equal(expected.advantages, found.advantages) and torch.equal(expected.weights, found.weights)
    assert batches[0].num_valid_tokens == batches[1].num_valid_tokens == 15
    for name, value in asdict(batches[0]).items():
        assert np.array_equal(value, asdict(batches[1])[name]), name


def test_a_group_keeps_the_unjudged_apart_whoever_makes_it() -> None:
    made = group_of(rollout(RIGHT, 3), rollout(LOST, 4), rollout(WRONG, 5))
    assert [r.result for r in made.rollouts] == [RIGHT, WRONG] and [r.result for r in made.unjudged] == [LOST]
    assert (made.num_correct, made.num_tokens, len(made.sampled), made.mixed) == (1, 8, 3, True)
    later = replace(made, rollouts=(made.rollouts[0], replace(made.rollouts[1], result=LOST)))
    assert len(later.rollouts) == 1 and len(later.unjudged) == 2 and not later.mixed


def test_statistics_lengths_and_posteriors_leave_them_out() -> None:
    stat = RolloutStat.of(
        group_of(rollout(RIGHT, 3), rollout(LOST, 40, cut=True), rollout(WRONG, 5)), kept=True
    )
    assert (stat.num_rollouts, stat.num_correct, stat.num_tokens, stat.num_truncated, stat.num_unjudged) == (
        2,
        1,
        8,
        0,
        1,
    )
    assert (stat.correct_lengths, stat.wrong_lengths) == ((3,), (5,))
    store = StatisticsStore(["p0"], sampling_key=SamplingConfig().key)
    store.add(stat)
    (group,) = with_posterior([group_of(rollout(RIGHT), rollout(LOST))], store)
    assert group.aux.posterior.tolist() == [[2.0, 2.0]]


def test_curricula_decide_on_the_judged() -> None:
    ctx: Any = None
    assert (
        MixedOutcomes().filter_group(ctx, group_of(rollout(RIGHT), rollout(LOST), rollout(RIGHT))).reason
        == "all_correct"
    )
    assert MixedOutcomes().filter_group(ctx, group_of(rollout(WRONG), rollout(LOST))).reason == "all_wrong"
    decision = Pods(keep=2).filter_group(
        ctx, group_of(rollout(LOST), rollout(WRONG), rollout(WRONG), rollout(RIGHT))
    )
    assert decision.indices == (1, 2)


def test_a_demonstration_takes_the_place_of_a_group_by_its_judged_answers() -> None:
    shown = Demonstrations(
        token_ids={"p0": np.array([7, 8], dtype=np.int32)}, config=DemonstrationConfig(field="worked")
    )
    prompt = replace(PROMPT, metadata={"worked": "7"})
    groups = [
        replace(group_of(*rollouts), prompt=prompt)
        for rollouts in ((rollout(WRONG), rollout(LOST)), (rollout(RIGHT),))
    ]
    assert [g.demonstration for g in shown.switch(groups)] == [True, False]


def finished(group: RolloutGroup, *, kept: bool = True, reason: str = "") -> GroupState:
    request = GroupRequest(
        group_id=group.group_id, prompt_token_ids=(1,), seeds=(0,), sampling=group.sampling
    )
    more: dict[str, Any] = {
        "status": GroupStatus.FINISHED,
        "kept": kept,
        "reason": reason,
        "finished_version": 0,
    }
    return GroupState(request=request, prompt=group.prompt, plan_step=0, group=group, **more)


def test_metrics_count_them_once() -> None:
    partly = group_of(rollout(RIGHT, 3), rollout(LOST, 10, cut=True))
    plan = PlanState(
        step=0,
        groups=[
            finished(partly),
            finished(group_of(rollout(LOST, 7), number=1), kept=False, reason=UNJUDGED),
        ],
    )
    row = group_metrics(plan)
    assert (row["reward/mean"], row["reward/pass_rate"], row["reward/unjudged"]) == (1.0, 1.0, 2)
    assert (row["rollout/rollouts"], row["rollout/tokens"], row["rollout/length_mean_tokens"]) == (3, 20, 3.0)
    assert (row["rollout/truncated_share"], row["rollout/dropped_unjudged"]) == (0.0, 1)
    assert [stat.group_id for stat in plan.stats()] == [0]
    nothing = group_metrics(PlanState(step=0, groups=plan.groups[1:]))
    assert nothing["reward/unjudged"] == 1 and "reward/mean" not in nothing


class Outage:
    """Prompts of two kinds cannot be judged at all, the others but for one rollout."""

    async def score(
        self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> list[RewardResult]:
        if int(prompt.text) % 2:
            return [LOST] * len(texts)
        return [LOST, *([RIGHT, WRONG] * len(texts))][: len(texts)]


def test_a_run_goes_on_through_an_outage_and_pays_for_what_it_sampled() -> None:
    controller = build(steps=6)
    controller.parts.service._scorer = Outage()
    assert asyncio.run(controller.run())
    plans, totals = controller.parts.recorder.records, controller.state.totals
    lost = {g.prompt.id for plan in plans for g in plan.groups if int(g.prompt.text) % 2}
    groups, size = 6 * 6, 4
    assert 0 < len(lost) < groups
    assert (totals.rollouts, totals.rollout_tokens) == (groups * size, groups * size * 2)
    assert (totals.groups_trained, totals.groups_dropped) == (groups - len(lost), len(lost))
    assert all(len(batch.rewards) == 3 * len(batch.group_ids) for batch in controller.parts.learner.batches)
    store = controller.parts.curriculum._store
    assert [int(store.num_observed(np.array([store.index_of(name)]))[0]) for name in sorted(lost)] == [
        0
    ] * len(lost)
