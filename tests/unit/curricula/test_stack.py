"""The stack: plans in order, every observation once, figures of the last plan."""

from collections.abc import Sequence

import numpy as np
import pytest

from curricula.base import Ctx, Curriculum, FilterDecision
from rollout.types import (
    RolloutStat,
)
from tests.unit.curricula.stacks import POOL, UNIFORM, built, group_of, new_store, plan_next, stack_of, stat


def test_the_neutral_config_is_every_prompt_once_in_equal_groups() -> None:
    stack = built()
    plans = [plan_next(stack, step) for step in range(5)]
    assert sorted(i for plan in plans for i in plan.prompt_indices.tolist()) == list(range(20))
    assert all(plan.num_rollouts.tolist() == [8] * 4 for plan in plans)
    assert plans[0].max_tokens is None
    assert stack.filter_group(group_of([True, True])).action == "train"


def test_mixed_judges_raw_correctness_not_reward_unless_it_is_partial_credit() -> None:
    assert built(verdict={"name": "mixed"}).filter_group(group_of([False, False, False])) == FilterDecision()
    stack = built(verdict={"name": "mixed", "args": {"partial_credit": False}})
    plan_next(stack, 0)
    assert stack.filter_group(group_of([True, False])) == FilterDecision()
    assert stack.filter_group(group_of([True, True])) == FilterDecision(action="drop", reason="all_correct")
    assert stack.filter_group(group_of([False, False, False])) == FilterDecision(
        action="drop", reason="all_wrong"
    )


def test_knapsack_allocates_from_what_was_observed() -> None:
    store = new_store()
    stack = built(store, allocator={"name": "knapsack", "args": {"cap": 16}})
    first = plan_next(stack, 0, num_prompts=20, budget=160)
    assert first.num_rollouts.tolist() == [8] * 20
    assert first.metrics["curriculum/knapsack_unseen_ratio"] == 1.0
    stack.observe(0, [stat(i, n=8, correct=4 if i < 10 else 8) for i in range(20)])
    second = plan_next(stack, 1, num_prompts=20, budget=80)
    effective = second.prompt_indices < 10
    # All at the floor leaves 40. Prompts at 1/2 claim 3 each, so 10 go back to the solved ones and 30 to the
    # optimiser.
    assert set(second.num_rollouts[effective].tolist()) == {5}
    assert set(second.num_rollouts[~effective].tolist()) == {3}
    assert second.metrics["curriculum/knapsack_effective_ratio"] == 0.5
    assert second.metrics["curriculum/knapsack_effective_rollouts_ratio"] == pytest.approx(50 / 80)


def test_refills_go_on_with_the_same_cursor() -> None:
    stack, straight = built(), built()
    drawn = [plan_next(stack, 0, num_prompts=4), stack.refill(0, round=1, num_prompts=2, rollout_budget=10)]
    drawn.append(plan_next(stack, 1, num_prompts=4))
    assert drawn[1].num_rollouts.tolist() == [5, 5]
    whole = straight.plan(0, total_steps=9, num_prompts=10, rollout_budget=20)
    assert [i for plan in drawn for i in plan.prompt_indices.tolist()] == whole.prompt_indices.tolist()


def test_every_observation_reaches_the_store_once_and_parts_see_kept_and_dropped() -> None:
    class Witness(Curriculum):
        def __init__(self) -> None:
            self.seen: list[tuple[int, list[str]]] = []

        def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
            self.seen.append((ctx.step, [s.prompt_id for s in stats]))

    store, witness = new_store(), Witness()
    stack = stack_of({**UNIFORM, "shape": witness}, store=store)
    plan_next(stack, 0)
    stack.observe(0, [stat(3, n=8, correct=0), stat(4, n=8, correct=5)])
    assert witness.seen == [(0, ["p3", "p4"])]
    assert store.num_observed(np.array([3, 4, 5])).tolist() == [8, 8, 0]
    with pytest.raises(ValueError, match="plan 0 observed, plan 1 is next"):
        stack.observe(0, [])
    with pytest.raises(ValueError, match="after the plan"):
        stack.observe(1, [])
    assert store.num_observed(np.array([3])).tolist() == [8]


def test_plans_come_in_order() -> None:
    stack = built()
    plan_next(stack, 0)
    with pytest.raises(ValueError, match="plan 0 asked for, plan 1 is next"):
        plan_next(stack, 0)
    with pytest.raises(ValueError, match="refill round 0"):
        stack.refill(0, round=0, num_prompts=1, rollout_budget=1)
    with pytest.raises(ValueError, match="refill round 1 of plan 1"):
        stack.refill(1, round=1, num_prompts=1, rollout_budget=1)


def test_with_a_lag_early_observations_do_not_change_the_next_plan() -> None:
    """Plan s sees plans <= s - 1 - lag, so an observation that comes in early waits."""
    store = new_store()
    stack = stack_of(UNIFORM, store=store, lag=1)
    everyone = np.arange(3)
    plan_next(stack, 0)
    stack.observe(0, [stat(0, n=8, correct=4)])
    plan_next(stack, 1)
    assert store.num_observed(everyone).tolist() == [0, 0, 0], "plan 1 must not see plan 0"
    stack.observe(1, [stat(1, n=8, correct=4)])
    plan_next(stack, 2)
    assert store.num_observed(everyone).tolist() == [8, 0, 0], "plan 2 sees plan 0, not plan 1"
    stack.observe(2, [stat(2, n=8, correct=4)])
    plan_next(stack, 3)
    assert store.num_observed(everyone).tolist() == [8, 8, 0]


def test_after_the_last_plan_everything_is_absorbed() -> None:
    store = new_store()
    stack = stack_of(UNIFORM, store=store, lag=3)
    for step in range(2):
        stack.plan(step, total_steps=2, num_prompts=4, rollout_budget=8)
    stack.observe(0, [stat(0, n=8, correct=4)])
    stack.observe(1, [stat(1, n=8, correct=4)])
    assert store.num_observed(np.array([0, 1])).tolist() == [8, 8]


def test_metrics_report_the_last_plan_on_raw_correctness() -> None:
    stack = built()
    plan_next(stack, 0)
    stack.observe(0, [stat(0, n=8, correct=4), stat(1, n=24, correct=0)])
    metrics = stack.metrics()
    assert metrics["curriculum/effective_gradient_ratio"] == 0.25
    assert metrics["curriculum/effective_prompt_ratio"] == 0.5
    assert metrics["curriculum/all_negative_ratio"] == 0.5
    assert metrics["curriculum/epoch"] == 4 / 20
    assert metrics["curriculum/observed_prompts"] == 2
    assert metrics["curriculum/group_size_max"] == 8, "of the plan that was observed"


def test_randomness_depends_on_seed_step_round_and_name() -> None:
    def draw(name: str = "x", **changes: int) -> float:
        return (
            Ctx(**{"step": 1, "total_steps": 9, "seed": 0, "pool": POOL, "store": new_store(), **changes})
            .rng(name)
            .random()
        )

    assert draw() == draw()
    assert len({draw(), draw(step=2), draw(seed=1), draw(round=1), draw("y")}) == 5
