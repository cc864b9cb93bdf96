"""What the learner trains on: shaped rewards, chosen rollouts, budgets in requests, short batches that say
so; all resumed."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from curricula.base import Ctx, Curriculum
from rl.batch import assemble
from rl.batch.assemble import credited, joined, shaped, subset, trained_groups
from rl.batch.types import TrainingBatch
from rl.engines.thinking_budgets import with_answers
from rl.run.controller import Controller
from rl.run.step_metrics import batch_metrics, group_metrics
from rl.stream.plans import GroupState
from rollout.types import (
    Completion,
    FinishReason,
    GroupRequest,
    Prompt,
    RewardResult,
    Rollout,
    RolloutAux,
    RolloutGroup,
    SamplingConfig,
    VersionSpan,
)
from tests.unit.run.test_controller import build, snapshots_of

PODS = {"name": "pods", "args": {"share": 0.5}}
HARD = {"name": "train_long_think_short", "args": {"mode": "hard", "start": 40, "final": 10, "decays": 3}}
BAND = {
    "name": "train_long_think_short",
    "args": {"mode": "band", "start": 20, "final": 5, "decays": 3, "weight": 0.5},
}


def group_of(outcomes: list[bool], *, lengths: list[int] | None = None, **more: Any) -> RolloutGroup:
    rollouts = []
    for right, length in zip(outcomes, lengths or [2] * len(outcomes), strict=True):
        completion = Completion(
            token_ids=np.arange(length, dtype=np.int32),
            behavior_logprobs=np.zeros(length, dtype=np.float32),
            loss_mask=np.ones(length, dtype=bool),
            spans=(VersionSpan(0, length, 0),),
            finish_reason=FinishReason.STOP,
        )
        result = RewardResult(value=float(right), correct=right, components={"task": float(right)})
        rollouts.append(Rollout(completion=completion, text="", result=result))
    prompt = Prompt(id="p0", text="", token_ids=(1,), answer="")
    fields: dict[str, Any] = {"group_id": 0, "plan_step": 0, "prompt": prompt, "sampling": SamplingConfig()}
    return RolloutGroup(**{**fields, **more}, rollouts=tuple(rollouts))


def test_shaping_adds_named_components_and_leaves_correctness_and_the_original_alone() -> None:
    group = group_of([True, False])
    made = shaped(group, {"length": np.array([0.25, 0.5]), "format": np.array([0.0, 0.125])})
    assert made.rewards.tolist() == [1.25, 0.625]
    assert made.num_correct == 1 and made.mixed
    assert made.rollouts[1].result.components == {"task": 0.0, "length": 0.5, "format": 0.125}
    assert group.rewards.tolist() == [1.0, 0.0]
    assert shaped(group, {}) is group
    with pytest.raises(ValueError, match="both have a reward component 'task'"):
        shaped(group, {"task": np.zeros(2)})


def test_a_subset_takes_its_arrays_along_and_leaves_demonstrations_whole() -> None:
    group = group_of([True, False, False, True], aux=RolloutAux(posterior=np.arange(8.0).reshape(4, 2)))
    made = subset(group, (0, 2))
    assert [r.result.correct for r in made.rollouts] == [True, False]
    assert made.aux.posterior.tolist() == [[0, 1], [4, 5]] and made.aux.pass_k is None
    assert subset(group, None) is group
    shown = group_of([True], demonstration=True)
    assert subset(shown, (0, 3)) is shown
    with pytest.raises(AssertionError, match="of a group of 4"):
        subset(group, (0, 4))


def test_groups_that_the_objective_adds_are_left_whole_and_have_no_credit() -> None:
    """BRPO's answers: groups of their own behind the one they belong to, under ids of their own."""
    answer = group_of([True, False, True], group_id=99)
    state = _finished(group_of([True, False, False, True], group_id=7, answers=(answer,)))
    state.indices = (0, 1)
    credit = [[np.full(2, 0.5) for _ in range(4)]]
    made = trained_groups([state], shape=lambda _: {}, credit=lambda _: credit, annotate=with_answers)
    assert [(g.group_id, len(g.rollouts)) for g in made] == [(7, 2), (99, 3)]
    assert [g.aux.token_advantages.tolist() for g in made] == [[[0.5, 0.5]] * 2, [[0.0, 0.0]] * 3]


def _finished(group: RolloutGroup) -> GroupState:
    request = GroupRequest(
        group_id=group.group_id, prompt_token_ids=(1,), seeds=(0,), sampling=group.sampling
    )
    return GroupState(request=request, prompt=group.prompt, plan_step=0, group=group, kept=True)


def test_component_means_and_trained_rollouts_are_logged() -> None:
    groups = [shaped(group_of([True, False]), {"length": np.array([0.5, 0.0])}), group_of([False, False])]
    row = batch_metrics(TrainingBatch.from_groups(0, groups))
    assert row == {
        "reward/task": 0.25,
        "reward/length": 0.125,
        "rollout/rollouts_trained": 4,
        "reward/trained_mean": pytest.approx(1.5 / 4),
    }
    assert batch_metrics(None) == {"rollout/rollouts_trained": 0}


def test_pods_trains_half_of_each_group_and_statistics_see_all() -> None:
    controller = build(steps=4, curriculum={"downsample": PODS})
    asyncio.run(controller.run())
    batches = controller.parts.learner.batches
    assert all(np.bincount(b.segment_ids).tolist() == [2] * 6 for b in batches)
    # Groups of kinds 1 and 2 are right, wrong, right, wrong: the variance of two is largest with one of each.
    mixed = [
        b.rewards[b.segment_ids == s]
        for b in batches
        for s in range(6)
        if 0 < b.rewards[b.segment_ids == s].sum() < 2
    ]
    assert len(mixed) == sum(g.group.mixed for p in controller.parts.recorder.records for g in p.groups) > 0
    store = controller.parts.saver.store
    seen = [g for p in controller.parts.recorder.records for g in p.groups]
    assert store.num_observed(np.arange(64)).sum() == 4 * len(seen) == 96
    assert controller.state.totals.rollouts == 96


def test_mixed_comes_before_pods_in_one_stack() -> None:
    controller = build(steps=3, curriculum={"verdict": {"name": "mixed"}, "downsample": PODS})
    asyncio.run(controller.run())
    kept = [g for p in controller.parts.recorder.records for g in p.kept()]
    assert kept and all(g.group.mixed and len(g.indices) == 2 for g in kept)
    assert all(b.rewards.sum() == len(b.rewards) / 2 for b in controller.parts.learner.batches)


def test_shaped_rewards_reach_the_batch_and_nothing_else() -> None:
    """Completions have 2 tokens, below every budget, so the band pays .5 to each."""
    controller = build(steps=3, curriculum={"length": BAND})
    asyncio.run(controller.run())
    for batch in controller.parts.learner.batches:
        assert batch.rewards.tolist() == (batch.correct + 0.5).tolist()
        assert batch.components["length"].tolist() == [0.5] * 24
    for plan in controller.parts.recorder.records:
        assert set(group_metrics(plan)) >= {"reward/mean", "rollout/groups_short"}
        assert all(set(g.group.rewards.tolist()) <= {0.0, 1.0} for g in plan.groups)


def test_budgets_limit_requests_and_are_no_other_sampling_config() -> None:
    controller = build(steps=8, staleness=0, curriculum={"length": HARD})
    asyncio.run(controller.run())
    plans = controller.parts.recorder.records
    limits = [{g.request.sampling.max_tokens for g in plan.groups} for plan in plans]
    assert limits == [{40}, {40}, {25}, {25}, {15}, {15}, {10}, {10}]
    assert {g.request.sampling.key for plan in plans for g in plan.groups} == {"t1-p1-m64"}
    store = controller.parts.saver.store
    observed = store.num_observed(np.arange(64))
    assert observed.sum() == 8 * 24
    assert store.budget_clock == pytest.approx(2.0), "40 to 10 is two halvings"
    first = store.index_of(plans[0].groups[0].prompt.id)
    assert store.num_comparable(np.array([first])) == pytest.approx(4 * 0.25), "drawn two halvings ago"
    last = store.index_of(plans[-1].groups[0].prompt.id)
    assert store.num_comparable(np.array([last])) == pytest.approx(4.0)


def test_a_budget_never_exceeds_the_run_and_triangular_rewards_allow_twice_the_budget() -> None:
    wide = {"name": "train_long_think_short", "args": {"start": 50, "final": 21.2, "decays": 1}}
    controller = build(steps=2, staleness=0, curriculum={"length": wide})
    asyncio.run(controller.run())
    plans = controller.parts.recorder.records
    assert [{g.request.sampling.max_tokens for g in plan.groups} for plan in plans] == [{64}, {43}]


def test_a_batch_that_stays_short_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        controller = build(steps=2, curriculum={"verdict": {"name": "mixed"}}, refill_rounds=1)
        asyncio.run(controller.run())
    for plan in controller.parts.recorder.records:
        short = 6 - len(plan.kept())
        assert group_metrics(plan)["rollout/groups_short"] == short
        assert (f"step {plan.step}: the batch is {short} groups short after 1 refills" in caplog.text) == (
            short > 0
        )
    assert any(len(plan.kept()) < 6 for plan in controller.parts.recorder.records)


def test_vcrl_refills_from_its_bank() -> None:
    vcrl = {"name": "vcrl", "args": {"threshold": 0.3, "late_threshold": 0.3}}
    controller = build(steps=8, staleness=0, curriculum={"verdict": vcrl}, refill_rounds=1)
    asyncio.run(controller.run())
    plans = controller.parts.recorder.records
    refills = [g for p in plans[1:] for g in p.groups if g.request.group_id >> 14 & 63]
    assert refills
    banked = [
        p.step
        for p in plans[1:]
        for g in p.groups
        if g.request.group_id >> 14 & 63 and int(g.prompt.text) % 4 in (1, 2)
    ]
    assert len(banked) > 0.8 * len(refills), "half of the pool is mixed; the bank holds nothing else"


@pytest.mark.parametrize(("staleness", "refills"), [(0, 2), (2, 0)])
def test_resume_keeps_indices_shapes_and_budgets(staleness: int, refills: int) -> None:
    """Refills of one plan and the drawing of the next share a cursor, so with plans in flight their order is
    a matter of timing."""
    stack = {"verdict": {"name": "mixed"}, "downsample": PODS, "length": BAND, "skip": {"name": "greso"}}
    whole = build(staleness=staleness, steps=8, curriculum=stack, refill_rounds=refills)
    asyncio.run(whole.run())
    rewards = {b.step: b.rewards.tolist() for b in whole.parts.learner.batches}
    limits = {p.step: [g.request.sampling.max_tokens for g in p.groups] for p in whole.parts.recorder.records}
    for version, state in snapshots_of(whole):
        resumed = build(staleness=staleness, steps=8, curriculum=stack, state=state, refill_rounds=refills)
        asyncio.run(resumed.run())
        again = {b.step: b.rewards.tolist() for b in resumed.parts.learner.batches}
        assert again == {step: values for step, values in rewards.items() if step >= version}
        for plan in resumed.parts.recorder.records:
            assert [g.request.sampling.max_tokens for g in plan.groups] == limits[plan.step]


@pytest.mark.parametrize(("curriculum", "said"), [({"length": HARD}, [40, 25, 15, 10]), ({}, [64] * 4)])
def test_prompts_that_ask_for_it_name_the_budget_of_their_plan(
    curriculum: dict[str, Any], said: list[int]
) -> None:
    controller = build(steps=4, staleness=0, curriculum=curriculum)

    def say(prompt: Prompt, tokens: int) -> Prompt:
        return replace(prompt, text=f"{prompt.text} in {tokens}", token_ids=(*prompt.token_ids, tokens))

    parts: Any = replace(controller.parts, with_length_budget=say)
    controller = Controller(config=controller.config, parts=parts, state=controller.state)
    parts.service._scorer = _Right()
    asyncio.run(controller.run())
    for plan, tokens in zip(parts.recorder.records, said, strict=True):
        assert {g.request.prompt_token_ids[-1] for g in plan.groups} == {tokens}
        assert {g.group.prompt.text.partition(" in ")[2] for g in plan.groups} == {str(tokens)}
        assert all(g.group.prompt.id in parts.saver.store._index for g in plan.groups)
    assert len(parts.saver.store._index) == 64


class _Right:
    async def score(self, prompt: Prompt, texts: list[str], truncated: list[bool]) -> list[RewardResult]:
        return [RewardResult(value=float(i % 2), correct=bool(i % 2)) for i, _ in enumerate(texts)]


class Ramp(Curriculum):
    """Token t of rollout i is worth i + t / 10."""

    def token_advantages(self, ctx: Ctx, groups: Sequence[RolloutGroup]) -> list[list[np.ndarray]]:
        return [
            [i + np.arange(len(r.completion.token_ids)) / 10 for i, r in enumerate(g.rollouts)]
            for g in groups
        ]


def test_a_curriculums_own_credit_reaches_the_batch_with_the_chosen_rollouts() -> None:
    here = f"{__name__}:Ramp"
    controller = build(steps=2, curriculum={"shape": {"name": here}, "downsample": PODS})
    asyncio.run(controller.run())
    for batch, plan in zip(controller.parts.learner.batches, controller.parts.recorder.records, strict=True):
        chosen = [i for g in plan.kept() for i in g.indices]
        assert batch.aux.token_advantages.tolist() == [[i, i + 0.1] for i in chosen]


def test_credit_is_padded_checked_and_blank_on_demonstrations() -> None:
    groups = [group_of([True, False], lengths=[1, 3]), group_of([False, False], lengths=[2, 2], group_id=1)]
    credit = [[np.array([5.0]), np.arange(3.0)], [np.ones(2), np.ones(2)]]
    states = [_finished(g) for g in groups]

    def second_is_shown(given: list[RolloutGroup]) -> list[RolloutGroup]:
        return [
            given[0],
            replace(given[1], rollouts=given[1].rollouts[:1], demonstration=True, aux=RolloutAux()),
        ]

    made = trained_groups(states, shape=lambda g: {}, credit=lambda g: credit, annotate=second_is_shown)
    assert made[0].aux.token_advantages.tolist() == [[5, 0, 0], [0, 1, 2]]
    assert made[1].aux.token_advantages.tolist() == [[0, 0, 0]] and made[1].demonstration
    with pytest.raises(ValueError, match="token_advantages: 1 for a rollout with 3 tokens"):
        credited(groups[:1], [[np.ones(1), np.ones(1)]])
    assert credited(groups, None) == groups


def test_what_rides_along_is_known_by_name_and_goes_there_and_back() -> None:
    aux = RolloutAux(posterior=np.ones((2, 2)), pass_k=np.array([1, 4]))
    assert set(aux.to_dict()) == {"posterior", "pass_k"}
    assert RolloutAux.from_dict(aux.to_dict()) == aux
    assert aux.map(lambda rows: rows.tolist()).pass_k == [1, 4]
    with pytest.raises(TypeError, match="hidden_states"):
        RolloutAux.from_dict({"hidden_states": np.ones(2)})


def test_a_large_batch_is_joined_in_a_thread_and_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [group_of([True, False], lengths=[3, 5], group_id=0), group_of([True], lengths=[4], group_id=1)]
    threads: list[str] = []
    join = TrainingBatch.from_groups

    def watched(*args: Any, **more: Any) -> TrainingBatch:
        threads.append(threading.current_thread().name)
        return join(*args, **more)

    monkeypatch.setattr(TrainingBatch, "from_groups", watched)
    here = asyncio.run(joined(3, groups, progress=0.5))
    monkeypatch.setattr(assemble, "JOINED_INLINE", 11)
    there = asyncio.run(joined(3, groups, progress=0.5))
    assert threads[0] == threading.current_thread().name != threads[1]
    for column in ("token_ids", "offsets", "token_versions", "behavior_logprobs", "rewards", "group_ids"):
        assert np.array_equal(getattr(here, column), getattr(there, column))
    assert (there.step, there.progress, len(there.token_ids)) == (3, 0.5, 15)
