"""CurES allocation and proportional splits: worked examples of docs/methods/allocators.md#cures-allocation,
and invariants on any input."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curricula.allocators.cures import CuresAllocator, gradient_std
from curricula.allocators.proportional import proportional_split
from tests.unit.curricula.worlds import World

RATES = [0.5, 0.25, 0.0625, 0.9]


def split(rates: list[float], *, budget: int, unknown: tuple[int, ...] = (), **options: int) -> list[int]:
    known = np.array([i not in unknown for i in range(len(rates))])
    return CuresAllocator(**options).split(np.array(rates), known, budget=budget).tolist()


def test_worked_example_of_the_allocation() -> None:
    assert gradient_std(np.array(RATES)) == pytest.approx([0.5, 0.433013, 0.242061, 0.3], abs=5e-7)
    plain = gradient_std(np.array(RATES))
    assert 32 * plain / plain.sum() == pytest.approx([10.847, 9.394, 5.251, 6.508], abs=5e-4)
    assert split(RATES, budget=32, floor=2) == [10, 9, 6, 7]


def test_worked_example_of_the_gradient() -> None:
    sigma = gradient_std(np.array([0.25]), norm_correct=2.0, norm_wrong=1.0, gap=1.0)
    assert sigma == pytest.approx([0.757772], abs=5e-7)


def test_unknown_prompts_are_warmed_up_and_the_rest_is_shared() -> None:
    assert split([np.nan, 0.5, 0.5], budget=30, unknown=(0,)) == [4, 13, 13]
    assert split([np.nan] * 3, budget=31, unknown=(0, 1, 2)) == [11, 10, 10]
    assert split([np.nan, 0.5], budget=6, unknown=(0,), warmup=4) == [3, 3], "no more than the equal share"
    assert split([np.nan, np.nan, 0.5], budget=30, unknown=(0, 1), cap=12) == [
        9,
        9,
        12,
    ], "what the cap cuts off goes back"


def test_weights_of_zero_count_as_equal() -> None:
    assert split([0.0, 1.0, 0.0], budget=9) == [3, 3, 3]


def test_through_the_store_posteriors_count_after_the_warm_up() -> None:
    world, part = World(), CuresAllocator(warmup=4)
    world.observe(
        part, [world.stat(0, n=8, correct=4), world.stat(1, n=8, correct=0), world.stat(2, n=3, correct=1)]
    )
    allocation = part.allocate(world.ctx(rollout_budget=24), np.array([0, 1, 2]))
    # Two posteriors, means .5 and .1, deviations .5 and .3; prompt 2 has 3 rollouts and gets 4. 20 - 4 floors
    # = 16: 10 and 6.
    assert allocation.num_rollouts.tolist() == [12, 8, 4]
    assert allocation.metrics == {"cures_warmup_ratio": pytest.approx(1 / 3), "cures_warmup_rollouts": 4.0}


def test_a_shorter_length_budget_sends_prompts_back_to_the_warm_up() -> None:
    """8 rollouts drawn under 64 tokens count as 2 under 16: two halvings at one half each."""
    world, part = World(), CuresAllocator(warmup=4)
    world.store.set_budget(64.0)
    world.observe(part, [world.stat(0, n=8, correct=4)])
    assert part.allocate(world.ctx(rollout_budget=20), np.array([0, 1])).metrics["cures_warmup_ratio"] == 0.5
    world.store.set_budget(16.0)
    assert part.allocate(world.ctx(rollout_budget=20), np.array([0, 1])).metrics["cures_warmup_ratio"] == 1.0


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_budget_floor_and_cap_hold_on_any_input(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 10))
    rates = data.draw(st.lists(st.floats(0, 1), min_size=size, max_size=size))
    known = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    floor = data.draw(st.integers(1, 4))
    cap = data.draw(st.integers(floor, 20))
    budget = data.draw(st.integers(size * floor, size * cap))
    part = CuresAllocator(floor=floor, cap=cap, warmup=data.draw(st.integers(1, 8)))
    shown = np.where(known, rates, np.nan)
    counts = part.split(shown, np.array(known), budget=budget)
    assert counts.sum() == budget
    assert counts.min() >= floor
    assert counts.max() <= cap
    assert part.split(shown, np.array(known), budget=budget).tolist() == counts.tolist()


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_larger_weight_never_gets_less(data: st.DataObject) -> None:
    weights = np.array(data.draw(st.lists(st.floats(0, 1e3), min_size=1, max_size=10)))
    cap = data.draw(st.integers(2, 20))
    budget = data.draw(st.integers(2 * len(weights), cap * len(weights)))
    counts = proportional_split(weights, budget=budget, floor=2, cap=cap, name="test")
    assert counts.sum() == budget
    assert (np.diff(counts[np.argsort(weights, kind="stable")]) >= -1).all(), "up to a remainder among equals"
    for low, high in itertools.pairwise(np.argsort(weights, kind="stable")):
        if weights[high] > weights[low] + 1e-6:
            assert counts[high] >= counts[low]


def test_impossible_budgets_name_the_allocator() -> None:
    with pytest.raises(ValueError, match=r"cures: 5 rollouts for 3 prompts, but floor=2 takes 6"):
        split([0.5] * 3, budget=5)
    with pytest.raises(ValueError, match="cap=1 is below floor=2"):
        CuresAllocator(cap=1)
