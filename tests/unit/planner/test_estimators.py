"""Intervals of one problem, power laws, rare successes, clusters: worked examples of
docs/methods/pass_at_k.md#power-laws and its neighbours."""

import itertools

import numpy as np
import pytest
from scipy import stats

from planner.estimators.bootstrap import bootstrap_mean, wilson
from planner.estimators.clusters import difficulty_clusters, subset_to_full
from planner.estimators.counts import checked
from planner.estimators.intervals import benchmark_pass_at_k, jeffreys, through_pass_at_k
from planner.estimators.pass_at_k import pass_at_k, pass_hat_k
from planner.estimators.power_law import (
    ExponentiatedPowerLaw,
    fit_exponentiated,
    fit_failure,
    has_slope,
    tail_failure,
)
from planner.estimators.rare import pass_until


@pytest.mark.parametrize(("n", "c", "k"), [(7, 0, 3), (7, 2, 3), (7, 6, 2), (6, 3, 6), (5, 5, 2)])
def test_pass_at_k_and_pass_hat_k_equal_enumeration(n: int, c: int, k: int) -> None:
    subsets = list(itertools.combinations([1] * c + [0] * (n - c), k))
    assert float(pass_at_k(n, c, k)) == pytest.approx(np.mean([max(s) for s in subsets]))
    assert float(pass_hat_k(n, c, k)) == pytest.approx(np.mean([min(s) for s in subsets]))


def test_jeffreys_worked_examples() -> None:
    low, high = jeffreys([3, 0, 16], [10, 16, 16])
    assert (low[0], high[0]) == pytest.approx((0.092695, 0.605818), abs=1e-6)
    assert (low[1], high[1]) == pytest.approx((0.0, 0.143184), abs=1e-6)
    assert (low[2], high[2]) == pytest.approx((1 - 0.143184, 1.0), abs=1e-6)


def test_limits_through_pass_at_k() -> None:
    low, high = through_pass_at_k(wilson([3, 16], [10, 16]), 5)
    assert (low[0], high[0]) == pytest.approx((0.434631, 0.990166), abs=1e-6)
    assert high[1] == 1.0


def test_benchmark_interval_where_problems_differ_and_where_not() -> None:
    n, c = [10] * 6, [0, 1, 2, 3, 5, 9]
    assert benchmark_pass_at_k(n, c, 3) == bootstrap_mean(pass_at_k(n, c, 3))
    none = benchmark_pass_at_k([8] * 20, [0] * 20, 4)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(float(wilson(0, 20)[1]))
    one = benchmark_pass_at_k([10], [3], 5)
    assert (one.low, one.high) == pytest.approx((0.434631, 0.990166), abs=1e-6)
    assert one.value == pytest.approx(11 / 12)


def test_exponentiated_power_law() -> None:
    law = ExponentiatedPowerLaw(a=-1.5, b=-0.4)
    assert [law.pass_at_k(k) for k in (1, 10, 100, 1000)] == pytest.approx(
        [0.2231, 0.5504, 0.7884, 0.9097], abs=1e-4
    )
    rng = np.random.default_rng(0)
    c = rng.binomial(400, rng.beta(0.5, 4.5, 2000))
    found = fit_exponentiated([400] * 2000, c)
    assert found.pass_at_k(1000) == pytest.approx(0.934890, abs=0.02)
    assert found.b < 0


def test_the_tail_exponent_is_that_of_hard_problems() -> None:
    # E(1-p)^10000 of Beta(.5, 4.5): exact .0206288, asymptotic .0206332.
    assert tail_failure(0.5, 4.5, 10_000) == pytest.approx(0.0206332, abs=1e-7)
    rng = np.random.default_rng(1)
    n = 4000
    found = fit_failure([n] * 3000, rng.binomial(n, rng.beta(0.5, 0.5, 3000)))
    assert found.exponent == pytest.approx(0.5, abs=0.05)
    assert 0 <= found.pass_at_k(1) <= 1


def test_a_law_needs_a_slope() -> None:
    assert not has_slope([8] * 5, [0] * 5)
    assert not has_slope([1] * 5, [0, 1, 0, 1, 1])
    with pytest.raises(ValueError, match="nothing, or everything"):
        fit_exponentiated([8] * 5, [0] * 5)


def test_pass_until_is_unbiased_where_the_naive_estimate_is_not() -> None:
    p, r = 0.03, 3
    trials = np.arange(r, 4000)
    weight = stats.nbinom.pmf(trials - r, r, p)
    assert weight @ (r / trials) == pytest.approx(0.0438, abs=1e-4)
    ours = np.array([pass_until(r, int(k), wanted=r).value for k in trials])
    assert weight @ ours == pytest.approx(0.0300, abs=1e-4)
    spread = np.array([pass_until(r, int(k), wanted=r).standard_error ** 2 for k in trials])
    assert weight @ spread == pytest.approx(weight @ ours**2 - (weight @ ours) ** 2, rel=1e-3)


def test_pass_until_censored_and_wrong() -> None:
    found = pass_until(1, 500, wanted=3)
    assert found.censored
    assert found.value == 1 / 500
    with pytest.raises(ValueError, match="fewer than 2"):
        pass_until(1, 5, wanted=1)
    with pytest.raises(ValueError, match="between 0 and 3"):
        pass_until(4, 9, wanted=3)


def test_clusters_keep_what_rises() -> None:
    rng = np.random.default_rng(0)
    rising, easy = np.array([0.05, 0.2, 0.5]), np.array([0.4, 0.7, 0.9])
    never, falling = np.array([0.0, 0.0, 0.004]), np.array([0.5, 0.3, 0.1])
    rates = np.clip(
        np.repeat([rising, easy, never, falling], 20, axis=0) + rng.normal(0, 0.01, (80, 3)), 0, 1
    )
    found = difficulty_clusters(rates, clusters=4)
    kept = found.kept.reshape(4, 20)
    assert kept.all(axis=1).tolist() == [True, True, False, False]
    assert not kept[2:].any()
    assert np.all(np.diff(found.centre[:, -1]) >= 0)
    with pytest.raises(ValueError, match="between 1 and the 80 problems"):
        difficulty_clusters(rates, clusters=81)


def test_subset_to_full_is_monotone_and_meets_the_family() -> None:
    subset, full = [0.1, 0.3, 0.6], [0.08, 0.2, 0.45]
    mapped = subset_to_full(subset, full)
    assert mapped(subset) == pytest.approx(full)
    assert np.all(np.diff(mapped(np.linspace(0, 1, 101))) >= -1e-12)
    assert mapped(0.0) == 0.0
    assert 0.45 < float(mapped(1.0)) <= 1.0


def test_counts_are_checked() -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        checked([8], [1.5])
    with pytest.raises(ValueError, match="between 0 and n"):
        checked([8], [9])
    with pytest.raises(ValueError, match="at least one problem"):
        checked([], [])
