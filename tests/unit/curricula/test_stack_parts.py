"""Parts in a stack: how their answers are put together, and what is refused by slot."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from curricula import CURRICULA
from curricula.allocators.knapsack import Knapsack
from curricula.base import Allocation, Ctx, Curriculum, FilterDecision
from curricula.drawing.uniform import EqualAllocator, UniformSampler
from curricula.filters.mixed import MixedOutcomes
from curricula.traits import Trait
from rollout.types import (
    RolloutGroup,
)
from tests.unit.curricula.stacks import (
    POOL,
    UNIFORM,
    built,
    group_of,
    new_store,
    plan_next,
    stack_of,
    stat,
)


class SkipOdd(Curriculum):
    def skip(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return indices % 2 == 1


class SkipAll(Curriculum):
    def skip(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return np.ones(len(indices), dtype=bool)


class Budget(Curriculum):
    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def length_budget(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return np.where(indices == 0, 5, self.tokens)


class Band(Curriculum):
    traits = frozenset({Trait.DROPS_MIXED_GROUPS})

    def filter_group(self, ctx: Ctx, group: RolloutGroup) -> FilterDecision:
        return FilterDecision(action="drop", reason="band")


class Bonus(Curriculum):
    def shape(self, ctx: Ctx, group: RolloutGroup) -> Mapping[str, np.ndarray]:
        return {"bonus": np.full(len(group.rollouts), 0.25)}


class Broken(Curriculum):
    def allocate(self, ctx: Ctx, indices: np.ndarray) -> Allocation:
        return Allocation(num_rollouts=np.full(len(indices), 2, dtype=np.int64))


def test_skipped_prompts_are_passed_over_but_never_all_of_them_forever() -> None:
    plan = plan_next(stack_of({**UNIFORM, "skip": SkipOdd()}), 0, num_prompts=6)
    assert len(plan.prompt_indices) == 6
    assert all(plan.prompt_indices % 2 == 0)
    everything = plan_next(stack_of({**UNIFORM, "skip": SkipAll()}), 0, num_prompts=6)
    assert len(set(everything.prompt_indices.tolist())) == 6


def test_the_smallest_length_budget_holds() -> None:
    plan = plan_next(
        stack_of({**UNIFORM, "length": Budget(9), "shape": Budget(7)}), 0, num_prompts=20, budget=20
    )
    assert plan.max_tokens is not None
    assert plan.max_tokens.tolist() == [5 if i == 0 else 7 for i in plan.prompt_indices]


def test_shaping_adds_components_and_the_first_drop_decides() -> None:
    stack = stack_of({**UNIFORM, "shape": Bonus(), "verdict": MixedOutcomes(), "extra": Band()})
    plan_next(stack, 0)
    assert stack.shape(group_of([True, False]))["bonus"].tolist() == [0.25, 0.25]
    assert stack.filter_group(group_of([True, False])).reason == "band"
    assert stack.filter_group(group_of([True, True])).reason == "all_correct"
    assert stack.token_advantages(0, []) is None


def test_an_allocator_that_does_not_spend_the_budget_is_caught() -> None:
    with pytest.raises(AssertionError, match="spent 8 rollouts of 32"):
        plan_next(stack_of({"sampler": UniformSampler(), "allocator": Broken()}), 0)


def test_two_of_a_kind_are_refused_by_slot() -> None:
    with pytest.raises(ValueError, match=r"more than one allocator \(slots allocator, verdict\)"):
        stack_of({**UNIFORM, "verdict": Knapsack()})
    with pytest.raises(ValueError, match=r"more than one sampler \(slots sampler, skip\)"):
        stack_of({**UNIFORM, "skip": UniformSampler()})
    with pytest.raises(ValueError, match="no allocator"):
        stack_of({"sampler": UniformSampler()})


def test_a_band_filter_with_knapsack_warns(caplog: pytest.LogCaptureFixture) -> None:
    stack_of({"sampler": UniformSampler(), "allocator": Knapsack(), "verdict": MixedOutcomes()})
    assert not caplog.records
    stack_of({"sampler": UniformSampler(), "allocator": Knapsack(), "verdict": Band()})
    assert "verdict drops groups with a rare success, which allocator buys" in caplog.text


@pytest.mark.parametrize(
    ("slots", "message"),
    [
        (
            {"sampler": {"name": "unifrom"}},
            r"curriculum\.sampler\.name is 'unifrom': choose one of \[.*'equal'.*'uniform'",
        ),
        ({"sampler": {"name": "curricula.nowhere:Part"}}, "curricula.nowhere"),
        ({"sampler": {"name": "curricula.allocators.knapsack:Nothing"}}, "Nothing"),
        ({"verdict": {"name": "curricula.pool:PromptPool"}}, "must be a subclass"),
        (
            {"allocator": {"name": "knapsack", "args": {"flor": 2}}},
            r"curriculum\.allocator\.args.*flor.*it takes \['floor'",
        ),
        (
            {"allocator": {"name": "knapsack", "args": {"floor": "two"}}},
            r"curriculum\.allocator\.args: floor: Input should be a valid integer.*got 'two'",
        ),
        ({"allocator": {"name": "knapsack", "args": {"floor": 4, "cap": 2}}}, "cap=2 is below floor=4"),
    ],
)
def test_wrong_configs_name_the_slot(slots: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        built(**slots)


def test_parts_from_outside_are_named_by_module() -> None:
    stack = built(allocator={"name": "curricula.allocators.knapsack:Knapsack", "args": {"cap": 16}})
    assert plan_next(stack, 0).num_rollouts.sum() == 32


def test_a_budget_below_the_floor_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match=r"7 rollouts for 4 prompts, but floor=2 takes 8"):
        plan_next(built(allocator={"name": "knapsack"}), 0, budget=7)
    with pytest.raises(ValueError, match="4 prompts and 3 rollouts"):
        plan_next(built(), 0, budget=3)


@pytest.mark.parametrize("name", sorted(CURRICULA))
def test_contract_of_every_part(name: str) -> None:
    """Hooks are pure, observation of any group is safe, and the state survives JSON."""
    part, store = CURRICULA[name](), new_store()
    for i in range(10):
        store.add(stat(i, n=8, correct=i % 9))
    ctx = Ctx(step=1, total_steps=9, seed=0, pool=POOL, store=store, rollout_budget=40)
    indices, frozen = np.arange(10), json.dumps(part.state_dict())
    for hook, args in (
        ("draw", (ctx, 3, 4)),
        ("allocate", (ctx, indices)),
        ("prompt_logits", (ctx, indices)),
        ("skip", (ctx, indices)),
    ):
        once, twice = getattr(part, hook)(*args), getattr(part, hook)(*args)
        assert repr(once) == repr(twice)
    for outcomes in ([True], [False], [True, False]):
        assert part.filter_group(ctx, group_of(outcomes)) == part.filter_group(ctx, group_of(outcomes))
    assert json.dumps(part.state_dict()) == frozen, "only observe may change state"
    part.observe(ctx, [stat(0, n=2, correct=0), stat(1, n=1, correct=1)])
    again = CURRICULA[name]()
    again.load_state_dict(json.loads(json.dumps(part.state_dict())))
    assert again.state_dict() == part.state_dict()
    with pytest.raises(ValueError, match="checkpoint holds"):
        EqualAllocator().load_state_dict({"cursor": 3})
