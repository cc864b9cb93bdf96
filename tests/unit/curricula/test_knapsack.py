"""Knapsack allocation: worked examples A-D of docs/methods/allocators.md#knapsack, brute force, and its
invariants on any input."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curricula.allocators.knapsack import Knapsack
from curricula.allocators.knapsack_solver import (
    information_gain,
    informative,
    marginal,
    minority_cost,
    solve,
    solve_published,
    value,
)
from tests.unit.curricula.worlds import World

RATES_A = np.array([1, 2, 4, 8, 12, 15]) / 16


def split(rates: list[float], *, budget: int, unseen: tuple[int, ...] = (), **options: object) -> list[int]:
    valid = np.array([i not in unseen for i in range(len(rates))])
    counts, _ = Knapsack(**options).split(np.array(rates), valid, budget=budget)
    return counts.tolist()


def test_example_a_no_degenerate_prompts() -> None:
    counts = solve(RATES_A, budget=48, floor=2, cap=16)
    assert counts.tolist() == [9, 14, 10, 6, 7, 2]
    assert value(counts, RATES_A).sum() == pytest.approx(0.399990, abs=5e-7)
    assert value(8, RATES_A).sum() == pytest.approx(0.379198, abs=5e-7)
    assert split(RATES_A.tolist(), budget=48, cap=16) == counts.tolist()


def test_example_a_lifts_the_sample_ratio_and_lowers_the_prompt_ratio() -> None:
    counts = solve(RATES_A, budget=48, floor=2, cap=16)
    assert informative(8, RATES_A).mean() == pytest.approx(0.7091, abs=5e-5)
    assert (counts * informative(counts, RATES_A)).sum() / 48 == pytest.approx(0.7782, abs=5e-5)
    assert informative(counts, RATES_A).mean() == pytest.approx(0.6971, abs=5e-5)


def test_value_table() -> None:
    assert float(value(8, 0.25)) == pytest.approx(0.126544, abs=5e-7)
    assert float(value(16, 0.0625)) == pytest.approx(0.035372, abs=5e-7)
    assert float(value(2, 0.5)) == pytest.approx(0.0625)
    assert value([0, 1], 0.5).tolist() == [0.0, 0.0]
    grid = np.linspace(0, 1, 3001)
    assert grid[information_gain(grid).argmax()] == pytest.approx(1 / 3, abs=1e-3)
    for n, p in itertools.product(range(1, 30), (0.01, 0.3, 0.9)):
        assert marginal(n, p) == pytest.approx(float(value(n + 1, p) - value(n, p)), abs=1e-15)
        assert marginal(n + 1, p) < marginal(n, p)


def test_example_b_published_rules() -> None:
    assert minority_cost(np.array([1 / 16, 1 / 2, 7 / 8])) == pytest.approx([35.68, 3.32, 17.24], abs=5e-3)
    assert split([0, 1, 1, 1 / 16, 1 / 2, 7 / 8], budget=48) == [2, 2, 2, 26, 8, 8]


def test_example_c_fallback_goes_to_the_unsolved_first() -> None:
    assert split([0, 0, 1, 0.5, 0.5, 0.625], budget=48) == [15, 15, 2, 6, 5, 5]
    assert split([1, 1, 1, 0.5, 0.5, 0.625], budget=48) == [11, 11, 10, 6, 5, 5]


def test_example_d_the_published_programme_is_not_optimal() -> None:
    rates = np.array([0.5, 0.06])
    best, published = (s(rates, budget=7, floor=2, cap=12) for s in (solve, solve_published))
    assert best.tolist() == [5, 2]
    assert published.tolist() == [4, 3]
    assert value(best, rates).sum() == pytest.approx(0.123168, abs=5e-7)
    assert value(published, rates).sum() == pytest.approx(0.118345, abs=5e-7)
    assert split(rates.tolist(), budget=7, cap=12, compat_published_dp=True) == [4, 3]
    assert split(rates.tolist(), budget=7, cap=12) == [5, 2]


def brute_force(rates: np.ndarray, *, budget: int, floor: int, cap: int) -> float:
    table = [[float(value(n, p)) for n in range(cap + 1)] for p in rates]
    best = -1.0
    for head in itertools.product(range(floor, cap + 1), repeat=len(rates) - 1):
        last = budget - sum(head)
        if floor <= last <= cap:
            best = max(best, sum(row[n] for row, n in zip(table, (*head, last), strict=True)))
    return best


def test_equals_brute_force_on_random_instances() -> None:
    rng = np.random.default_rng(0)
    worse_published = 0
    for _ in range(250):
        size, floor, cap = int(rng.integers(2, 5)), int(rng.integers(1, 3)), int(rng.integers(5, 9))
        rates = rng.uniform(0.01, 0.99, size)
        budget = int(rng.integers(size * floor, size * cap + 1))
        best = brute_force(rates, budget=budget, floor=floor, cap=cap)
        assert value(solve(rates, budget=budget, floor=floor, cap=cap), rates).sum() == pytest.approx(
            best, abs=1e-12
        )
        published = value(solve_published(rates, budget=budget, floor=floor, cap=cap), rates).sum()
        assert published <= best + 1e-12
        worse_published += published < best - 1e-9
    assert worse_published > 0


def test_ties_go_to_the_first_prompts() -> None:
    assert solve(np.full(4, 0.5), budget=10, floor=2, cap=8).tolist() == [3, 3, 2, 2]


def test_unseen_prompts_get_the_equal_share_and_never_the_fallback_of_the_unsolved() -> None:
    assert split([0, 0, 0, 0], budget=32, unseen=(0, 1, 2, 3)) == [8, 8, 8, 8]
    assert split([0, 0, 0.5], budget=24, unseen=(0,)) == [8, 11, 5]
    assert split([0, 1, 1], budget=25, unseen=(0, 1, 2)) == [9, 8, 8]


def test_unseen_prompts_can_be_valued_by_their_category() -> None:
    """World: p0, p3, ... are a, p1, p4, ... b, p2, p5, ... c. a has 6 of 12, b 1 of 14, c nothing."""
    world = World(size=12)
    for stat in (world.stat(0, n=12, correct=6), world.stat(1, n=14, correct=1)):
        world.store.add(stat)
    unseen = np.array([3, 4, 5])
    ctx = world.ctx(1, rollout_budget=24)
    by_category = Knapsack(unseen="category").allocate(ctx, unseen)
    # c keeps its share of 8; 1/2 claims 3.3 and 1/14 claims 31.1, so there is no surplus.
    best = solve(np.array([1 / 2, 1 / 14]), budget=16, floor=2, cap=128)
    assert by_category.num_rollouts.tolist() == [*best.tolist(), 8]
    assert by_category.metrics["knapsack_unseen_ratio"] == 1.0
    assert by_category.metrics["knapsack_effective_ratio"] == pytest.approx(2 / 3)
    assert Knapsack().allocate(ctx, unseen).num_rollouts.tolist() == [8, 8, 8]


def test_prompts_of_a_category_that_never_succeeded_get_the_floor_and_the_fallback() -> None:
    world = World(size=12)
    for stat in (world.stat(0, n=12, correct=6), world.stat(1, n=12, correct=0)):
        world.store.add(stat)
    ctx, unseen = world.ctx(1, rollout_budget=16), np.array([3, 4])
    assert Knapsack(unseen="category", allow_fallback=False).allocate(ctx, unseen).num_rollouts.tolist() == [
        14,
        2,
    ]
    assert Knapsack(unseen="category").allocate(ctx, unseen).num_rollouts.tolist() == [
        5,
        11,
    ], "the claim of 1/2, the rest explores"


def test_an_own_pass_rate_goes_before_the_categorys() -> None:
    world = World(size=12)
    for stat in (world.stat(0, n=8, correct=8), world.stat(3, n=40, correct=4)):
        world.store.add(stat)
    part = Knapsack(unseen="category", allow_fallback=False)
    allocation = part.allocate(world.ctx(1, rollout_budget=16), np.array([0, 6]))
    assert allocation.num_rollouts.tolist() == [2, 14], "solved, whatever its category says"


def test_compat_counts_the_unseen_as_unsolved_in_the_fallback() -> None:
    """As released: the floor of 2 for the others leaves 12 of 24, the claim of .5 is 3, and the 9 left are
    split over the zeros."""
    assert split([0, 0, 0.5], budget=24, unseen=(0,), compat_published_dp=True) == [13, 6, 5]
    assert split([0, 0, 0.5], budget=24, unseen=(0,)) == [8, 11, 5], "unseen is not unsolvable"


def test_when_every_prompt_is_effective_the_surplus_goes_to_the_optimiser() -> None:
    """Claims of .5 are 3 rollouts each, so 26 of 32 are surplus, and there is nobody else to give them to."""
    assert split([0.5, 0.5], budget=32) == [16, 16]


def test_without_fallback_the_optimiser_gets_everything() -> None:
    assert split([0, 0.5, 0.25], budget=24, allow_fallback=False) == [
        2,
        *solve(np.array([0.5, 0.25]), budget=22, floor=2, cap=128),
    ]


def test_what_the_caps_cannot_hold_goes_to_the_others() -> None:
    assert split([1, 1, 0.5], budget=20, cap=8, allow_fallback=False) == [6, 6, 8]
    assert split([0, 1, 1], budget=22, cap=8) == [8, 7, 7]


def test_a_posterior_mean_leaves_no_prompt_degenerate() -> None:
    posterior = [(k + 1) / (n + 2) for k, n in ((0, 8), (8, 8), (4, 8))]
    counts = split(posterior, budget=24)
    assert sum(counts) == 24
    assert counts == solve(np.array(posterior), budget=24, floor=2, cap=128).tolist()


@pytest.mark.parametrize("compat", [False, True])
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_budget_floor_and_cap_hold_on_any_input(compat: bool, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 10))
    rates = data.draw(
        st.lists(st.sampled_from([0.0, 1.0, 0.5, 1 / 16, 0.9, 0.33]), min_size=size, max_size=size)
    )
    valid = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    floor = data.draw(st.integers(1, 4))
    cap = data.draw(st.integers(floor, 20))
    budget = data.draw(st.integers(size * floor, size * cap))
    part = Knapsack(floor=floor, cap=cap, allow_fallback=data.draw(st.booleans()), compat_published_dp=compat)
    shown = np.where(valid, rates, np.nan)
    counts, fallback = part.split(shown, np.array(valid), budget=budget)
    assert counts.sum() == budget
    assert counts.min() >= floor
    assert counts.max() <= cap
    assert 0 <= fallback <= budget
    assert part.split(shown, np.array(valid), budget=budget)[0].tolist() == counts.tolist()


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_batch_of_one_kind_is_split_evenly(rate: float) -> None:
    assert split([rate] * 4, budget=32) == [8, 8, 8, 8]


def test_impossible_budgets_name_the_fix() -> None:
    with pytest.raises(
        ValueError, match=r"5 rollouts for 3 prompts, but floor=2 takes 6.*raise stream\.rollouts_per_prompt"
    ):
        split([0.5, 0.5, 0.5], budget=5)
    with pytest.raises(ValueError, match=r"cap=4 allows 8.*raise the allocator's cap"):
        split([0.5, 0.5], budget=9, cap=4)
    with pytest.raises(ValueError, match="cap=1 is below floor=2"):
        Knapsack(cap=1)


def test_a_full_size_step_meets_the_optimality_condition() -> None:
    """No rollout could move to a prompt where it is worth more: enough for a concave value, where brute force
    cannot go."""
    rates = np.random.default_rng(0).uniform(0.001, 0.999, 256)
    counts = solve(rates, budget=4096, floor=2, cap=128)
    assert counts.sum() == 4096
    gain = [marginal(int(n), p) for n, p in zip(counts, rates, strict=True) if n < 128]
    loss = [marginal(int(n) - 1, p) for n, p in zip(counts, rates, strict=True) if n > 2]
    assert max(gain) <= min(loss) + 1e-15
