"""Plans of micro-batches: every sample once, within the budget, as many on every rank, in balance."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.learner.micro_batch import OVERHEAD_SHARE, plan_micro_batches
from rl.learner.update_plan import shares_of_groups


@given(
    lengths=st.lists(st.integers(2, 200), min_size=1, max_size=60),
    world_size=st.integers(1, 5),
    token_budget=st.integers(1, 500),
    every=st.integers(1, 3),
)
def test_every_sample_is_planned_once_within_the_budget(
    lengths: list[int], world_size: int, token_budget: int, every: int
) -> None:
    sizes = np.array(lengths)
    samples = np.arange(len(sizes))[::every]
    plans = plan_micro_batches(sizes, samples, world_size=world_size, token_budget=token_budget)
    assert len(plans) == world_size and len({len(rank) for rank in plans}) == 1 and len(plans[0]) >= 1
    real = [plan for rank in plans for plan in rank if not plan.padding]
    assert sorted(int(s) for plan in real for s in plan.samples) == samples.tolist()
    for plan in real:
        padded = len(plan.samples) * int(sizes[plan.samples].max())
        assert padded <= token_budget or len(plan.samples) == 1
        assert (np.diff(sizes[plan.samples]) <= 0).all(), "longest first"
    for rank in plans:
        assert all(len(plan.samples) == 1 for plan in rank if plan.padding)
    again = plan_micro_batches(sizes, samples, world_size=world_size, token_budget=token_budget)
    assert all(
        np.array_equal(a.samples, b.samples)
        for x, y in zip(plans, again, strict=True)
        for a, b in zip(x, y, strict=True)
    )


@given(lengths=st.lists(st.integers(2, 200), min_size=4, max_size=60), world_size=st.integers(2, 4))
def test_ranks_differ_by_at_most_one_sample(lengths: list[int], world_size: int) -> None:
    sizes = np.array(lengths)
    plans = plan_micro_batches(sizes, np.arange(len(sizes)), world_size=world_size, token_budget=300)
    load = [sum(int(sizes[p.samples].sum()) for p in rank if not p.padding) for rank in plans]
    assert max(load) - min(load) <= max(lengths)


def test_rank_with_nothing_to_do_gets_weightless_work() -> None:
    plans = plan_micro_batches(np.array([9, 5, 7]), np.array([0]), world_size=2, token_budget=100)
    assert [p.padding for p in plans[0]] == [False] and [p.padding for p in plans[1]] == [True]
    nothing = plan_micro_batches(
        np.array([9, 5, 7]), np.array([], dtype=np.int64), world_size=2, token_budget=100
    )
    assert [[p.padding for p in rank] for rank in nothing] == [[True], [True]]
    assert nothing[0][0].samples.tolist() == [1], "the shortest sample is the cheapest padding"


@given(lengths=st.lists(st.integers(2, 30), min_size=1, max_size=9), token_budget=st.integers(16, 120))
def test_no_other_cut_costs_less(lengths: list[int], token_budget: int) -> None:
    """Against every way to cut the sorted list: padded tokens plus the price of each micro-batch."""
    sizes = np.sort(np.array(lengths))[::-1]

    def cost(bounds: list[int]) -> float:
        parts = [sizes[a:b] for a, b in pairwise(bounds)]
        fits = all(len(part) == 1 or len(part) * part[0] <= token_budget for part in parts)
        return (
            sum(len(part) * int(part[0]) + token_budget * OVERHEAD_SHARE for part in parts)
            if fits
            else np.inf
        )

    inner = range(1, len(sizes))
    every = [[0, *chosen, len(sizes)] for size in range(len(sizes)) for chosen in combinations(inner, size)]
    plans = plan_micro_batches(sizes, np.arange(len(sizes)), world_size=1, token_budget=token_budget)[0]
    planned = cost(np.cumsum([0, *(len(p.samples) for p in plans)]).tolist())
    assert planned == pytest.approx(min(cost(bounds) for bounds in every))


def test_length_sorting_pads_little() -> None:
    sizes = np.random.default_rng(0).integers(5, 60, 512)
    plans = plan_micro_batches(sizes, np.arange(512), world_size=1, token_budget=2048)[0]
    padded = sum(len(p.samples) * int(sizes[p.samples].max()) for p in plans)
    assert padded / sizes.sum() < 1.1


@pytest.mark.parametrize("num_shares", [1, 2, 3, 9])
def test_shares_hold_whole_groups_and_every_sample_once(num_shares: int) -> None:
    segments = np.array([0, 0, 0, 1, 2, 2, 3, 4, 4])
    shares = shares_of_groups(segments, num_shares=num_shares)
    assert len(shares) == min(num_shares, 5)
    assert sorted(np.concatenate(shares).tolist()) == list(range(9))
    owners = [set(segments[share].tolist()) for share in shares]
    assert sum(len(owner) for owner in owners) == 5
