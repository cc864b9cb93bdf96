"""Beta-binomial fits: the numeric examples of docs/methods/pass_at_k.md#difficulty-as-a-beta, closed forms,
recovery, the gate."""

import numpy as np
import pytest
from scipy import integrate, stats

from planner.estimators.beta_binomial import BetaBinomial, fit, fit_gated, fit_zero_inflated, log_likelihood
from planner.estimators.pass_at_k import pass_at_k

COUNTS = [0, 0, 0, 1, 1, 2, 3, 5, 8, 8]


@pytest.mark.parametrize(
    ("a", "b", "ks", "values"),
    [
        (1, 1, (1, 4, 9), (0.5, 0.8, 0.9)),
        (0.5, 4.5, (1, 10, 100, 1000), (0.1, 0.453455, 0.797918, 0.934890)),
        (2, 3, (2,), (0.6,)),
    ],
)
def test_pass_at_k_of_a_beta(a: float, b: float, ks: tuple, values: tuple) -> None:
    assert [BetaBinomial(a=a, b=b).pass_at_k(k) for k in ks] == pytest.approx(values, abs=1e-6)


def test_pass_at_k_is_the_integral_at_real_k() -> None:
    direct, _ = integrate.quad(lambda p: (1 - (1 - p) ** 7.5) * stats.beta.pdf(p, 0.7, 2.2), 0, 1)
    assert BetaBinomial(a=0.7, b=2.2).pass_at_k(7.5) == pytest.approx(direct, abs=1e-8)


def test_log_likelihood_is_scipys() -> None:
    assert log_likelihood(0.5, 2.0, 4, 1) == pytest.approx(-1.506678, abs=1e-6)
    c = np.arange(9)
    assert log_likelihood(0.3, 1.7, 8, c) == pytest.approx(stats.betabinom.logpmf(c, 8, 0.3, 1.7))
    mixed = np.exp(log_likelihood(0.3, 1.7, 8, c, zero=0.25))
    assert mixed.sum() == pytest.approx(1.0)
    assert mixed[0] == pytest.approx(0.25 + 0.75 * stats.betabinom.pmf(0, 8, 0.3, 1.7))


def test_fit_worked_example() -> None:
    found = fit([8] * 10, COUNTS, prior_sd=np.inf)
    assert (found.a, found.b) == pytest.approx((0.3025, 0.4764), abs=1e-3)
    assert found.log_likelihood == pytest.approx(-19.5950, abs=1e-4)
    assert [found.pass_at_k(k) for k in (1, 8, 32, 128)] == pytest.approx(
        [0.388, 0.661, 0.776, 0.853], abs=1e-3
    )
    assert pass_at_k(8, COUNTS, 8).mean() == pytest.approx(0.7)


def test_fit_recovers_the_law_from_unequal_n() -> None:
    rng = np.random.default_rng(0)
    n = rng.choice([8, 32, 128], 4000)
    found = fit(n, rng.binomial(n, rng.beta(0.5, 4.5, 4000)))
    assert (found.a, found.b) == pytest.approx((0.5, 4.5), rel=0.12)


@pytest.mark.parametrize("c", [0, 8])
def test_one_sided_counts_stay_finite(c: int) -> None:
    found = fit([8] * 20, [c] * 20)
    assert np.isfinite(found.log_likelihood)
    assert found.pass_at_k(64) == pytest.approx(c / 8, abs=0.02)


def test_the_gate_opens_for_impossible_problems_only() -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(1, 6, 400)
    without = fit_gated([128] * 400, rng.binomial(128, p))
    zeros = fit_gated([128] * 400, rng.binomial(128, np.where(np.arange(400) < 120, 0.0, p)))
    assert without.statistic < 2.71
    assert without.chosen is without.plain
    assert zeros.statistic > 2.71
    assert zeros.chosen.zero == pytest.approx(0.3, abs=0.06)
    low, high = zeros.interval(256)
    assert (low, high) == (zeros.inflated.pass_at_k(256), zeros.plain.pass_at_k(256))
    assert low < high


def test_zero_inflation_never_fits_worse() -> None:
    assert fit_zero_inflated([8] * 10, COUNTS).log_likelihood >= fit([8] * 10, COUNTS).log_likelihood


def test_posterior_of_one_problem_by_hand() -> None:
    # Beta(1, 1) and 1 of 2 right: Beta(2, 2), so pass@1 = 1/2 and pass@2 = 1 - E(1-p)^2 = 1 - 3/10.
    assert BetaBinomial(a=1, b=1).posterior_pass_at_k(2, 1, 1)[0] == pytest.approx(0.5)
    assert BetaBinomial(a=1, b=1).posterior_pass_at_k(2, 1, 2)[0] == pytest.approx(0.7)
    # Half impossible, 0 of 1 right: P(impossible) = .5 / (.5 + .5 * .5) = 2/3; else Beta(1, 2), pass@1 = 1/3.
    inflated = BetaBinomial(a=1, b=1, zero=0.5)
    assert inflated.posterior_pass_at_k([1, 1], [0, 1], 1) == pytest.approx([1 / 9, 2 / 3])
