"""Allocations against brute force, hand-computed values and their invariants."""

import heapq
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.allocation import (
    IndexPolicy,
    Queries,
    allocate_groups,
    allocate_parallel,
    allocate_sequential,
    allocate_table,
)
from planner.allocation.gains import coverage, gain_constant, log_gain, samples_worth
from planner.allocation.quadrature import QuadratureCaps, beta_nodes
from planner.allocation.stopping import attempt_cap, leader_probability, outcome, settled
from planner.allocation.voting import vote_table
from planner.verifiers.verifier import VerifierSpec

positive = st.floats(0.05, 30, allow_nan=False)


def by_heap(
    a: list[float], b: list[float], cost: list[float], budget: float, weight: list[float], k_max: int
) -> list[int]:
    """The definition: one sample at a time, best gain per token, skipping what does not fit."""
    k, alive, spent = [0] * len(a), [1.0] * len(a), 0.0

    def price(i: int) -> float:
        return weight[i] * alive[i] * a[i] / (a[i] + b[i] + k[i]) / cost[i]

    heap = [(-price(i), i) for i in range(len(a))]
    heapq.heapify(heap)
    while heap:
        _, i = heapq.heappop(heap)
        if spent + cost[i] > budget:
            continue
        spent += cost[i]
        alive[i] *= (b[i] + k[i]) / (a[i] + b[i] + k[i])
        k[i] += 1
        if k[i] < k_max:
            heapq.heappush(heap, (-price(i), i))
    return k


@st.composite
def problems(draw: st.DrawFn) -> dict[str, list[float]]:
    n = draw(st.integers(1, 12))
    column = {name: draw(st.lists(positive, min_size=n, max_size=n)) for name in ("a", "b", "weight")}
    return column | {"cost": draw(st.lists(st.integers(1, 60).map(float), min_size=n, max_size=n))}


def test_worked_example() -> None:
    """docs/methods/allocation.md#parallel-allocation."""
    chosen = allocate_parallel([9, 2, 0.5], [1, 6, 11.5], [20, 30, 50], 600)
    assert chosen.k.tolist() == [3, 11, 4]
    assert chosen.tokens == 590
    assert chosen.coverage.sum() == pytest.approx(1.99925, abs=1e-5)
    assert chosen.price == pytest.approx(5.719e-4, abs=1e-7)
    assert coverage([9, 2, 0.5], [1, 6, 11.5], 6).sum() == pytest.approx(1.92294, abs=1e-5)


@settings(max_examples=150, deadline=None)
@given(problems(), st.integers(0, 2500), st.sampled_from([1, 5, 64]))
def test_parallel_is_the_heap(problem: dict[str, list[float]], budget: int, k_max: int) -> None:
    chosen = allocate_parallel(**problem, budget=float(budget), k_max=k_max)
    assert chosen.k.tolist() == by_heap(**problem, budget=float(budget), k_max=k_max)
    assert chosen.tokens <= budget


def test_parallel_is_the_heap_on_many_queries_and_on_equal_ones() -> None:
    rng = np.random.default_rng(0)
    n = 30_000
    a, b, cost = rng.gamma(0.5, 3, n) + 0.05, rng.gamma(1, 5, n) + 0.1, rng.integers(20, 90, n).astype(float)
    for first, second, third in ((a, b, cost), (np.full(n, 0.5), np.full(n, 4.5), np.full(n, 7.0))):
        budget = float(3.3 * third.sum())
        chosen = allocate_parallel(first, second, third, budget)
        want = by_heap(first.tolist(), second.tolist(), third.tolist(), budget, [1.0] * n, 1024)
        assert np.array_equal(chosen.k, want)


def test_parallel_equals_exhaustive_search_for_equal_costs() -> None:
    a, b, weight = np.array([2.0, 0.5, 6.0]), np.array([3.0, 4.0, 1.0]), np.array([1.0, 2.0, 0.7])
    for budget in range(12):
        best = max(
            float((weight * coverage(a, b, np.array(k))).sum())
            for k in itertools.product(range(budget + 1), repeat=3)
            if sum(k) <= budget
        )
        chosen = allocate_parallel(a, b, 1.0, budget, weight=weight)
        assert float((weight * chosen.coverage).sum()) == pytest.approx(best, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(problems(), st.integers(0, 60), st.integers(0, 30))
def test_more_budget_never_takes_samples_away(
    problem: dict[str, list[float]], budget: int, more: int
) -> None:
    equal = problem | {"cost": 1.0}
    less = allocate_parallel(**equal, budget=budget, k_max=32)
    assert (allocate_parallel(**equal, budget=budget + more, k_max=32).k >= less.k).all()


@settings(max_examples=80, deadline=None)
@given(problems(), st.integers(0, 60), st.floats(1.0, 5.0), st.integers(0, 11))
def test_k_rises_with_the_weight(
    problem: dict[str, list[float]], budget: int, factor: float, which: int
) -> None:
    equal = problem | {"cost": 1.0}
    row = which % len(problem["a"])
    heavier = [w * (factor if i == row else 1.0) for i, w in enumerate(problem["weight"])]
    before = allocate_parallel(**equal, budget=budget, k_max=32)
    assert allocate_parallel(**(equal | {"weight": heavier}), budget=budget, k_max=32).k[row] >= before.k[row]


def test_a_first_sample_pays_the_prompt() -> None:
    """Two queries alike but for the prompt: both prices are of the whole opening, and what is spent counts
    the prompt once."""
    chosen = allocate_parallel([1, 1], [4, 4], 10, 200, prefill=[0, 60])
    assert chosen.tokens <= 200
    assert chosen.k.tolist() == [7, 7]
    assert chosen.tokens == pytest.approx(10 * chosen.k.sum() + 60)
    best = max(
        coverage(1, 4, i) + coverage(1, 4, j)
        for i in range(21)
        for j in range(21)
        if 10 * (i + j) + (60 if j else 0) <= 200
    )
    assert chosen.coverage.sum() == pytest.approx(float(best), abs=1e-3)


def test_cold_start_is_paid_first_and_refused_without_money() -> None:
    chosen = allocate_parallel([1e-6, 5], [50, 5], 10, 40, k_min=[1, 0])
    assert chosen.k.tolist() == [1, 3]
    with pytest.raises(ValueError, match="do not pay the 20"):
        allocate_parallel([1, 1], [1, 1], 10, 19, k_min=1)


@pytest.mark.parametrize(
    ("name", "bad"), [("a", [0.0, 1]), ("cost", [1, -2.0]), ("weight", [1, float("nan")])]
)
def test_bad_columns_are_named(name: str, bad: list[float]) -> None:
    columns = {"a": [1.0, 1], "b": [1.0, 1], "cost": [1.0, 1], "weight": [1.0, 1]} | {name: bad}
    with pytest.raises(ValueError, match=rf"{name}\[{[0, 1][name != 'a']}\] is"):
        allocate_parallel(**columns, budget=5)


def test_worthless_queries_get_nothing_and_money_for_all_gives_k_max() -> None:
    assert allocate_parallel([1, 1], [1, 1], 1, 100, weight=[0, 1], k_max=8).k.tolist() == [0, 8]
    assert allocate_parallel([1, 1], [1, 1], 1, 0).price == float("inf")


def test_groups_share_one_k() -> None:
    groups = [0, 0, 0, 1]
    chosen = allocate_groups(groups, [9, 0.5], [1, 4.5], 10, 200)
    assert chosen.k[:3].tolist() == [chosen.k[0]] * 3
    best = max(
        3 * coverage(9, 1, i) + coverage(0.5, 4.5, j)
        for i in range(7)
        for j in range(21)
        if 30 * i + 10 * j <= 200
    )
    assert chosen.coverage.sum() == pytest.approx(float(best))
    assert chosen.tokens <= 200


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-3, 300), st.floats(1e-3, 3000), st.floats(-40, 0), st.integers(1, 2000))
def test_the_inverse_of_the_gain(a: float, b: float, floor: float, k_max: int) -> None:
    first, second = np.array([a]), np.array([b])
    count = samples_worth(first, second, floor - gain_constant(first, second), k_max)[0]
    gains = log_gain(a, b, np.arange(1, k_max + 1))
    assert abs(count - int((gains >= floor).sum())) <= int((np.abs(gains - floor) < 1e-9).sum())


# -- sequential ----------------------------------------------------------------------------------------------

CAPS = [
    ((1, 4, 0.05, 1, 1, 0), 16),
    ((1, 4, 0.05, 1, 4, 0), 1),
    ((0.5, 4.5, 0.02, 1, 1, 0.01), 12),
    ((1, 4, 0, 1, 1, 0.02), 45),
    ((0.3, 6, 0.1, 1, 1, 0), 0),
]


@pytest.mark.parametrize(("case", "cap"), CAPS)
def test_caps_of_the_notes_and_of_brute_force(case: tuple[float, ...], cap: int) -> None:
    """docs/methods/allocation.md#imperfect-verifiers: (a, b, fpr, V, W, c) -> K*."""
    a, b, fpr, value, loss, cost = case
    assert attempt_cap(a, b, value=value, loss=loss, cost=cost, fpr=fpr) == cap
    ends = outcome(a, b, np.arange(80), fpr=fpr)
    worth = value * ends.correct - loss * ends.wrong - cost * ends.attempts
    assert worth[cap] == pytest.approx(worth.max(), abs=1e-12)


def test_outcomes_of_the_notes() -> None:
    ends = outcome(1, 4, 16, fpr=0.05)
    assert float(ends.correct - ends.wrong) == pytest.approx(0.4448, abs=1e-4)
    rare = outcome(0.5, 4.5, [12, 400], fpr=0.02)
    assert rare.correct - rare.wrong - 0.01 * rare.attempts == pytest.approx([0.2356, 0.0482], abs=1e-4)
    assert float(outcome(2, 6, 8).attempts) == pytest.approx(4.0)
    assert float(outcome(2, 6, 8).correct) == pytest.approx(0.8)
    assert attempt_cap(2, 6) == float("inf")


@pytest.mark.parametrize("zero", [0.1, 0.5, 0.9])
def test_caps_where_p_may_be_zero(zero: float) -> None:
    cap = attempt_cap(1, 4, cost=0.021, zero=zero)
    ends = outcome(1, 4, np.arange(60), zero=zero)
    assert int(cap) == int(np.argmax(ends.correct - 0.021 * ends.attempts))


def test_outcome_equals_simulation() -> None:
    """Beta(1, 4), fpr .1, at most 5 attempts, drawn outright; 4 standard errors."""
    rng = np.random.default_rng(0)
    size = 200_000
    p, live = rng.beta(1, 4, size), np.ones(size, dtype=bool)
    correct = wrong = attempts = 0
    for _ in range(5):
        attempts += int(live.sum())
        right = live & (rng.random(size) < p)
        fooled = live & ~right & (rng.random(size) < 0.1)
        correct, wrong = correct + int(right.sum()), wrong + int(fooled.sum())
        live &= ~(right | fooled)
    ends = outcome(1, 4, 5, fpr=0.1)
    assert correct / size == pytest.approx(float(ends.correct), abs=4 * 0.5 / size**0.5)
    assert wrong / size == pytest.approx(float(ends.wrong), abs=4 * 0.5 / size**0.5)
    assert attempts / size == pytest.approx(float(ends.attempts), abs=4 * 2 / size**0.5)


def test_quadrature_meets_the_closed_form_and_stops_earlier_when_right_samples_are_refused() -> None:
    a, b = np.array([1.0, 0.5, 2.0]), np.array([4.0, 4.5, 6.0])
    table = QuadratureCaps(a, b, VerifierSpec(fpr=0.05, tpr=1.0), zero=np.zeros(3), k_max=64)
    columns = {
        "value": np.ones(3),
        "loss": np.ones(3),
        "cost": np.full(3, 0.01),
        "cost_wrong": np.full(3, 0.01),
    }
    assert table.caps(**columns).tolist() == attempt_cap(a, b, value=1, loss=1, cost=0.01, fpr=0.05).tolist()
    ends, right = table.outcome(np.array([8, 8, 8]))
    assert ends.correct == pytest.approx(outcome(a, b, 8, fpr=0.05).correct)
    assert right == pytest.approx(ends.correct)
    deaf = QuadratureCaps(a, b, VerifierSpec(fpr=0.05, tpr=0.6), zero=np.zeros(3), k_max=64)
    assert (deaf.outcome(np.array([8, 8, 8]))[0].correct < ends.correct).all()


@pytest.mark.parametrize(("a", "b"), [(0.3, 7.0), (1.0, 1.0), (0.5, 0.5), (3e5, 7e5), (1e-3, 40.0)])
def test_quadrature_nodes_give_the_moments(a: float, b: float) -> None:
    nodes, weight = beta_nodes(a, b)
    assert weight.sum() == pytest.approx(1)
    assert weight @ nodes == pytest.approx(a / (a + b))
    for j in (1, 7, 100):
        assert weight @ (1 - nodes) ** j == pytest.approx(1 - float(coverage(a, b, j)), abs=1e-8)


@settings(max_examples=40, deadline=None)
@given(problems(), st.floats(10, 3000), st.sampled_from([0.0, 0.05]), st.sampled_from([1.0, 0.8]))
def test_sequential_keeps_to_the_expected_budget(
    problem: dict[str, list[float]], budget: float, fpr: float, tpr: float
) -> None:
    queries, verifier = Queries(**problem, loss=0.5), VerifierSpec(fpr=fpr, tpr=tpr)
    chosen = allocate_sequential(queries, budget, verifier=verifier, cap_max=64)
    assert chosen.tokens.sum() <= budget * (1 + 1e-9)
    assert ((chosen.correct + chosen.wrong) <= 1 + 1e-9).all()


def test_sequential_spends_the_budget_also_where_all_queries_are_alike() -> None:
    chosen = allocate_sequential(Queries(np.full(1000, 0.5), 4.5, 100), 500_000)
    assert sorted(set(chosen.cap.tolist())) == [6, 7]
    assert (np.diff(chosen.cap) <= 0).all(), "ties go to the query that stands first"
    assert 499_900 <= chosen.tokens.sum() <= 500_000


def test_sequential_is_the_best_set_of_caps() -> None:
    """Every choice of caps, three queries of equal cost: none of the same expected tokens or fewer is right
    more often."""
    a, b = np.array([2.0, 0.5, 6.0]), np.array([3.0, 4.0, 1.0])
    chosen = allocate_sequential(Queries(a, b, 1.0), 6.0)
    total = chosen.correct.sum()
    for caps in itertools.product(range(12), repeat=3):
        ends = outcome(a, b, np.array(caps))
        if ends.attempts.sum() <= chosen.tokens.sum() + 1e-12:
            assert ends.correct.sum() <= total + 1e-9


def test_longer_wrong_samples_lower_the_cap() -> None:
    """Expected tokens of docs/methods/allocation.md#sequential-allocation: a=2, b=6, 20 tokens right, 30
    wrong, cap 8: 112."""
    chosen = allocate_sequential(Queries([2.0], 6.0, 20, cost_wrong=30), 1e9, cap_max=8)
    assert chosen.tokens[0] == pytest.approx(112)
    assert attempt_cap(2, 6, cost=0.01, cost_wrong=0.03) < attempt_cap(2, 6, cost=0.01)


def test_index_policy_follows_its_indices() -> None:
    policy = IndexPolicy([1, 5, 1], [1, 5, 9], 1.0, cap=[3, 1, 5])
    assert policy.next_round().tolist() == [0, 1, 2]
    policy.record([0, 1], accepted=[False, False])
    assert policy.next_round(1).tolist() == [0], "query 1 is at its cap"
    policy.record([0], accepted=[True])
    assert policy.next_round().tolist() == [2]
    with pytest.raises(ValueError, match="draws no more"):
        policy.record([0], accepted=[False])


# -- votes and tables ----------------------------------------------------------------------------------------


def test_binary_votes() -> None:
    """docs/methods/pass_at_k.md#majority-votes: p = .6 rises, p = .4 falls."""
    table = vote_table(k_max=41, threshold=2.0)
    for p, want in ((0.6, [0.6, 0.648, 0.68256, 0.7535, 0.9035]), (0.4, [0.4, 0.352, 0.317, 0.246, 0.097])):
        got = [float(np.interp(p, table.p, table.correct[:, k - 1])) for k in (1, 3, 5, 11, 41)]
        assert got == pytest.approx(want, abs=1e-3)
    assert table.samples[:, -1] == pytest.approx(41)


def test_votes_stop_once_settled() -> None:
    assert settled(4, 0)
    assert not settled(3, 0)
    assert leader_probability(3, 0) == pytest.approx(1 - 0.5**4)
    table = vote_table(k_max=64)
    right, drawn = table.averaged([0.02, 5.0], [3.0, 2.0])
    assert right[:, 0] == pytest.approx([0.02 / 3.02, 5 / 7]), "one vote is one sample"
    assert drawn[:, 0] == pytest.approx([1, 1])
    assert table.samples[-1, -1] == pytest.approx(4)
    assert table.samples[64, -1] > 6


def table_value(values: np.ndarray, rows: list[int], k: tuple[int, ...]) -> float:
    return sum(float(values[row, x - 1]) if x else 0.0 for row, x in zip(rows, k, strict=True))


def test_tables_buy_whole_steps_of_the_majorant() -> None:
    """The second kind is worth nothing before its third sample, and then more per sample than the first
    kind's second."""
    values = np.array([[0.5, 0.6, 0.65], [0.0, 0.0, 0.9]])
    samples = np.tile(np.arange(1.0, 4), (2, 1))
    for budget, want in ((1, [1, 0]), (2, [2, 0]), (4, [1, 3]), (5, [2, 3]), (6, [3, 3])):
        chosen = allocate_table(values, samples, [0, 1], 1.0, budget)
        assert chosen.k.tolist() == want
        assert chosen.tokens <= budget


def test_tables_agree_with_the_closed_form() -> None:
    a, b = np.array([2.0, 0.5, 6.0]), np.array([3.0, 4.0, 1.0])
    ks = np.arange(1.0, 65)
    values = coverage(a[:, None], b[:, None], ks)
    for budget in (3, 17, 60):
        chosen = allocate_table(values, np.tile(ks, (3, 1)), [0, 1, 2], 1.0, budget)
        assert chosen.k.tolist() == allocate_parallel(a, b, 1.0, budget, k_max=64).k.tolist()


def test_a_wrong_answer_that_nobody_shares_is_wrong() -> None:
    table = vote_table(k_max=3, agreement=0.2)
    one = [float(np.interp(p, table.p, table.correct[:, 0])) for p in (0.01, 0.5)]
    assert one == pytest.approx([0.01, 0.5], abs=1e-6)


def test_votes_that_are_settled_long_before_the_cap_can_be_bought() -> None:
    """Of problems that are always or never right, sampled often: no further sample is ever drawn."""
    table = vote_table(k_max=64)
    right, drawn = table.averaged([10_000.5, 0.5], [0.5, 10_000.5])
    chosen = allocate_table(right, drawn, [0, 1], 1.0, 12.0)
    assert chosen.k[0] >= 1 and chosen.tokens <= 12
