"""The family-of-checkpoints surface: its predictor, its gradient, and that it finds what made the data."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from planner.t2.beta import beta_pass_at_k
from planner.t2.budget import Deployment, Measured, end_to_end
from planner.t2.family import FamilySurface, _Posterior, fit_family
from planner.t2.holdout import decision_regret, holdouts, nearest_cell, score_holdout, spearman
from planner.t2.rows import FamilyRows

KS = np.array([1, 4, 16, 64])
SHARED = np.array([np.log(1.6), np.log(0.45), np.log(6.0), np.log(0.4), 0.15, 1.2, -0.15])
TRUTH = FamilySurface(
    shared=SHARED,
    h0=np.array([1.2]),
    t0=np.array([0.6]),
    shares=np.array([1.0]),
    categories=("all",),
    objective=0.0,
)
N, D = (x.ravel() for x in np.meshgrid([2e5, 4e5, 8e5, 1.6e6], [5.0, 20.0, 80.0, 320.0]))
D = D * N


def simulate(problems: int, n: int, seed: int) -> FamilyRows:
    rng = np.random.default_rng(seed)
    params, tokens, post = np.tile(N, 2), np.tile(D, 2), np.repeat([0, 1], len(N))
    a, b = (x[:, 0] for x in TRUTH.beta(params, tokens, post))
    checkpoint, problem = (x.ravel() for x in np.mgrid[: len(params), :problems])
    c = rng.binomial(n, rng.beta(a[checkpoint], b[checkpoint]))
    where = np.zeros_like(checkpoint)
    return FamilyRows(
        params=params, tokens=tokens, post=post, categories=("all",), checkpoint=checkpoint, category=where,
        problem=problem,
        n=np.full_like(c, n), c=c,
    )  # fmt: skip


def test_worked_point() -> None:
    base, trained = (tuple(float(x) for x in np.ravel(TRUTH.beta(8e5, 1.6e7, z))) for z in (0, 1))
    assert base == (pytest.approx(0.0753, abs=1e-4), pytest.approx(0.9631, abs=1e-4))
    assert trained == (pytest.approx(0.2141, abs=1e-4), pytest.approx(0.8244, abs=1e-4))
    np.testing.assert_allclose(TRUTH.accuracy(8e5, 1.6e7, KS), [0.0725, 0.1452, 0.2248, 0.3005], atol=1e-4)
    np.testing.assert_allclose(TRUTH.accuracy(8e5, 1.6e7, KS, 1), [0.2062, 0.3746, 0.5274, 0.6473], atol=1e-4)


def test_gradient_is_that_of_the_value() -> None:
    posterior = _Posterior(
        simulate(12, 16, seed=1), np.random.default_rng(0).integers(0, 3, 12).astype(float)
    )
    x = np.concatenate([SHARED, [1.2], [0.6]]) + 0.1
    value, gradient = posterior(x)
    error = check_grad(lambda t: posterior(t)[0], lambda t: posterior(t)[1], x)
    assert error < 1e-4 * np.linalg.norm(gradient)
    assert np.isfinite(value)


def test_recovers_predictions_and_the_optimum() -> None:
    rows = simulate(200, 64, seed=0)
    fitted = fit_family(rows, restarts=3)
    at = (rows.params[:, None], rows.tokens[:, None], KS, rows.post[:, None])
    error = np.abs(fitted.accuracy(*at) - TRUTH.accuracy(*at))
    assert error.mean() < 0.02
    deployment = Deployment(total_flops=1e14, queries=5e4, tokens_per_sample=1)
    measured = Measured(params=(2e5, 1.6e6), tokens=(1e6, 5.12e8))
    found, true = (
        end_to_end(s.accuracy, deployment, measured=measured, extrapolate=True) for s in (fitted, TRUTH)
    )
    assert true.params == pytest.approx(0.665e6, rel=0.02) and true.ratio == pytest.approx(31, abs=1)
    assert true.k == pytest.approx(254, rel=0.1)  # a flat optimum; the example was found on a coarser grid
    assert TRUTH.accuracy(found.params, found.tokens, found.k) > true.score - 0.005


@pytest.mark.parametrize("name", ["H1", "H2", "H3"])
def test_predicts_held_out_cells(name: str) -> None:
    rows = simulate(200, 64, seed=2)
    ratio, level = rows.tokens / rows.params, np.round(np.log(rows.params * rows.tokens) / np.log(4))
    out = holdouts(rows.params, ratio, level)[name]
    fitted = fit_family(rows.of(~out), restarts=2)
    at = rows.params[out][:, None], rows.tokens[out][:, None]
    error = np.abs(
        fitted.accuracy(*at, KS, rows.post[out][:, None]) - TRUTH.accuracy(*at, KS, rows.post[out][:, None])
    )
    assert error.mean() < 0.05


def test_bootstrap_weights_are_repeated_problems() -> None:
    rows = simulate(10, 8, seed=3)
    twice = FamilyRows(
        **{
            **{f: getattr(rows, f) for f in ("params", "tokens", "post", "categories")},
            **{
                f: np.concatenate([getattr(rows, f), getattr(rows, f)])
                for f in ("checkpoint", "category", "problem", "n", "c")
            },
        }
    )
    x = np.concatenate([SHARED, [1.2], [0.6]])
    assert _Posterior(rows, np.full(10, 2.0))(x)[0] == pytest.approx(_Posterior(twice, None)(x)[0])


def test_categories_have_their_own_level_and_share() -> None:
    rows = simulate(30, 16, seed=4)
    split = FamilyRows(
        **{f: getattr(rows, f) for f in ("params", "tokens", "post", "checkpoint", "problem", "n", "c")},
        categories=("x", "y"), category=(rows.problem >= 20).astype(int),
    )  # fmt: skip
    fitted = fit_family(split, restarts=1)
    np.testing.assert_allclose(fitted.shares, [2 / 3, 1 / 3])
    assert len(fitted.h0) == 2
    kept = split.of(split.post == 0)
    assert len(kept.params) == len(N) and kept.checkpoint.max() == len(N) - 1


def test_holdout_masks() -> None:
    masks = holdouts([1, 1, 2, 2], [5, 20, 5, 20], [1, 2, 2, 3])
    assert [m.tolist() for m in masks.values()] == [
        [False, False, True, True],
        [False, True, False, True],
        [False] * 3 + [True],
    ]


def test_holdout_scores() -> None:
    score = score_holdout(
        [[0.2, 0.4], [0.5, 0.6], [0.0, 0.1]],
        [[0.3, 0.4], [0.5, 0.5], [0.1, 0.1]],
        observed_at_budget=[0.4, 0.6, 0.1],
        predicted_at_budget=[0.7, 0.5, 0.1],
    )
    assert score.mae == pytest.approx(0.3 / 6)
    assert score.relative == pytest.approx((0.5 + 0.1 / 0.6) / 5)
    assert score.spearman == 1
    assert score.regret == pytest.approx(0.2)


def test_small_helpers() -> None:
    assert decision_regret([0.1, 0.3], [0.0, 1.0]) == 0
    assert np.isnan(spearman([1, 2], [2, 1]))
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert nearest_cell([1e6], [1e8], [1e5, 9e5], [1e8, 1e8]).tolist() == [1]
    np.testing.assert_allclose(beta_pass_at_k(0.5, 4.5, [1, 10, 100]), [0.1, 0.453455, 0.797918], atol=1e-6)
