"""Post-training as an axis: made curves and made surfaces whose answer is known."""

import numpy as np
import pytest

from planner.estimators.pass_at_k import pass_at_k
from planner.t2.budget import Deployment, Measured
from planner.t2.family import FamilySurface
from planner.t2.post import fit_post, sampling_error, stop_early
from planner.t2.third import RL_FLOPS, ThirdTerm, joint_end_to_end


def curve(compute: np.ndarray, start: float, top: float, middle: float, slope: float = 1.0) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return start + (top - start) / (1 + (middle / compute) ** slope)


@pytest.mark.parametrize("top", [0.8, 0.1], ids=["rises", "falls"])
def test_a_made_curve_is_found_and_its_end_forecast(top: float) -> None:
    compute = np.arange(0, 101, 10.0)
    rng = np.random.default_rng(0)
    value = curve(compute, 0.4, top, 20) + 0.004 * rng.standard_normal(len(compute))
    law = fit_post(compute, value, np.full(len(compute), 0.004))
    guess, low, high = law.forecast(300)
    truth = float(curve(np.array(300.0), 0.4, top, 20))
    assert low < truth < high
    assert guess == pytest.approx(truth, abs=0.03)
    assert law.start == pytest.approx(0.4, abs=0.02)
    assert (law.plateau > law.start) == (top > 0.4)


def test_intervals_of_forecasts_hold_as_often_as_they_say() -> None:
    rng, held = np.random.default_rng(0), 0
    compute = np.arange(0, 61, 10.0)
    for _ in range(20):
        middle, top = np.exp(rng.normal(np.log(40), 0.8)), rng.uniform(0.5, 0.9)
        value = curve(compute, 0.4, top, middle) + 0.008 * rng.standard_normal(len(compute))
        _, low, high = fit_post(compute, value, np.full(len(compute), 0.006), replicates=40).forecast(150)
        held += low < float(curve(np.array(150.0), 0.4, top, middle)) < high
    assert held >= 16


def test_training_stops_on_the_plateau_and_not_before() -> None:
    compute = np.arange(0, 401, 20.0)
    value = curve(compute, 0.3, 0.7, 25, slope=2.0)
    errors = np.full(len(compute), 0.004)

    def stops(points: int) -> bool:
        law = fit_post(compute[:points], value[:points], errors[:points])
        return stop_early(law, now=compute[points - 1], horizon=400, least=0.02).stop

    assert not stops(4)
    assert stops(18)
    with pytest.raises(ValueError, match="beyond what is spent"):
        stop_early(fit_post(compute, value, errors), now=400, horizon=400)


def test_too_short_a_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        fit_post([0, 1, 2], [0.1, 0.2, 0.3], [0.01] * 3)


@pytest.mark.parametrize("k", [1, 4])
def test_the_error_of_samples_is_what_redrawing_them_shows(k: int) -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(1, 2, 100)
    draws = rng.binomial(16, p, (2000, 100))
    spread = np.array([pass_at_k(16, c, k).mean() for c in draws[:1000]]).std()
    errors = [sampling_error(np.full(100, 16), c, k) for c in draws[1000:1050]]
    assert np.mean(errors) == pytest.approx(spread, rel=0.1)


SURFACE = FamilySurface(
    shared=np.array([np.log(1.6), np.log(0.45), np.log(6.0), np.log(0.4), 0.15, 1.2, -0.15]),
    h0=np.array([1.2]), t0=np.array([0.6]), shares=np.array([1.0]), categories=("all",), objective=0.0,
)  # fmt: skip
MEASURED = Measured(params=(2e5, 1.6e6), tokens=(1e6, 5.12e8))
DEPLOYMENT = Deployment(total_flops=1e15, queries=5e4, tokens_per_sample=10)


def test_shares_of_the_gain_run_from_the_base_to_the_post_trained_model() -> None:
    law = ThirdTerm(surface=SURFACE, midpoint=1e6)
    assert law.share([0, 1e6, 1e12]).tolist() == pytest.approx([0, 0.5, 1], abs=1e-5)
    cell = 8e5, 1.6e7, 4.0
    assert float(law.accuracy(*cell, 0.0)) == pytest.approx(float(SURFACE.accuracy(*cell, 0)))
    assert float(law.accuracy(*cell, 1e15)) == pytest.approx(float(SURFACE.accuracy(*cell, 1)))


def test_the_joint_optimum_is_the_best_of_a_dense_search() -> None:
    law = ThirdTerm(surface=SURFACE, midpoint=3e6)
    found = joint_end_to_end(law, DEPLOYMENT, measured=MEASURED, rl_tokens=(1e5, 1e9))
    n = np.geomspace(1e5, 1.28e7, 150)[:, None, None]
    k = np.unique(np.round(np.geomspace(1, 1e4, 60)))[None, :, None]
    rl = np.geomspace(1e5, 1e9, 80)[None, None, :]
    tokens = (1e15 - RL_FLOPS * n * rl - 5e4 * k * 2 * n * 10) / (6 * n)
    allowed = (tokens > 0) & MEASURED.allows(n, tokens)
    score = np.where(allowed, law.accuracy(n, np.maximum(tokens, 1), k, rl), -1)
    assert found.optimum.score >= score.max() - 1e-4
    assert found.optimum.score <= score.max() + 2e-3
    assert sum(found.shares.values()) == pytest.approx(1, rel=1e-6)
    assert found.shares["post-training"] > 0


def test_post_training_that_gains_nothing_is_not_bought() -> None:
    flat = FamilySurface(
        shared=np.array([*SURFACE.shared[:5], 0.0, 0.0]), h0=SURFACE.h0, t0=SURFACE.t0, shares=SURFACE.shares,
        categories=("all",), objective=0.0,
    )  # fmt: skip
    found = joint_end_to_end(
        ThirdTerm(surface=flat, midpoint=1e6), DEPLOYMENT, measured=MEASURED, rl_tokens=(1e5, 1e9)
    )
    assert found.rl_tokens == 0
    assert found.shares["post-training"] == 0
