"""The published laws on worked numbers: Besiroglu's constants at the paper's largest training budget."""

import numpy as np
import pytest

from planner.t2.approach1 import Approach1, fit_approach1, likelihood_loss, posterior_loss
from planner.t2.approach2 import Approach2, fit_approach2, naive_accuracy
from planner.t2.budget import Deployment, Measured, Optimum, end_to_end, two_budgets
from planner.t2.chinchilla import ChinchillaLaw, fit_chinchilla, isoline_weights
from planner.t2.overtraining import ErrorLaw, OvertrainingLaw, fit_error_law, fit_overtraining
from planner.t2.shift import measured_shift

LAW = ChinchillaLaw(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
C = 2.56e19
WIDE = Measured(params=(2e6, 2e9), tokens=(1e8, 1e13))
A2 = Approach2(law=LAW, theta=(3.0, 2.0, 1.0, 1.0, -0.5))


def approach1(g: float, gamma: float) -> Approach1:
    return Approach1(E=LAW.E, A=LAW.A, B=LAW.B, alpha=LAW.alpha, beta=LAW.beta, G=g, gamma=gamma)


def least_loss(law: Approach1, served: float) -> Optimum:
    return two_budgets(
        lambda n, d, k: -law.loss(n, d, k),
        train_flops=C,
        served_flops=served,
        measured=WIDE,
        extrapolate=True,
    )


def test_chinchilla_optimum_in_closed_form() -> None:
    n = LAW.optimal_params(C)
    assert n == pytest.approx(4.245e8, rel=2e-3)
    assert C / 6 / n == pytest.approx(1.005e10, rel=2e-3)
    assert C / 6 / n**2 == pytest.approx(23.7, abs=0.05)
    assert LAW.loss(n, C / 6 / n) == pytest.approx(2.75585, abs=1e-4)


@pytest.mark.parametrize(("flops", "ratio"), [(5.76e23, 18.4), (1e14, 32), (1e15, 31), (1e17, 27)])
def test_chinchilla_ratio_drifts_with_compute(flops: float, ratio: float) -> None:
    assert flops / 6 / LAW.optimal_params(flops) ** 2 == pytest.approx(ratio, abs=0.5)


@pytest.mark.parametrize(("served", "ratio"), [(0, 23.7), (1e10, 43), (1e11, 172), (1e12, 999)])
def test_sardana_baseline(served: float, ratio: float) -> None:
    n, d = LAW.sardana(2.75585, served)
    assert d / n == pytest.approx(ratio, rel=0.02)
    assert LAW.loss(n, d) == pytest.approx(2.75585, abs=1e-6)


def test_sardana_refuses_what_no_model_reaches() -> None:
    with pytest.raises(ValueError, match="floor"):
        LAW.sardana(1.5, 1e9)


@pytest.mark.parametrize(
    ("g", "gamma", "served", "params", "ratio"),
    [
        (2, 0.2, 2e9, 6.70e7, 951),
        (10, 0.3, 2e9, 6.75e6, 9.4e4),
        (2, 0.2, 1.4e11, None, 168),
        (10, 0.3, 1.4e11, None, 2869),
    ],
)
def test_approach1_optimum(g: float, gamma: float, served: float, params: float | None, ratio: float) -> None:
    law = approach1(g, gamma)
    best = least_loss(law, served)
    assert best.ratio == pytest.approx(ratio, rel=0.03)
    if params is not None:
        assert best.params == pytest.approx(params, rel=0.015)
    assert abs(law.stationarity(best.params, C, served)) < 3e-3
    assert law.stationarity(LAW.optimal_params(C), C, served) > 0  # Chinchilla's N lies above the optimum.


def test_approach1_values() -> None:
    law = approach1(2, 0.2)
    best = least_loss(law, 2e9)
    assert best.k == pytest.approx(14.9, abs=0.15)
    assert -best.score == pytest.approx(4.129, abs=1e-3)
    n = LAW.optimal_params(C)
    assert 2e9 / 2 / n == pytest.approx(2.4, abs=0.05)
    assert law.loss(n, C / 6 / n, 2e9 / 2 / n) == pytest.approx(4.441, abs=1e-3)


def test_approach2_point() -> None:
    assert LAW.loss(1e8, 2e9) == pytest.approx(3.43854, abs=1e-5)
    a, b = A2.beta(1e8, 2e9)
    assert (a / (a + b), a + b) == (pytest.approx(0.29378, abs=1e-5), pytest.approx(0.48711, abs=1e-5))
    assert (a, b) == (pytest.approx(0.14311, abs=1e-5), pytest.approx(0.34400, abs=1e-5))
    np.testing.assert_allclose(A2.accuracy(1e8, 2e9, [1, 10, 100]), [0.29378, 0.49481, 0.63701], atol=1e-5)


@pytest.mark.parametrize(
    ("served", "params", "ratio", "k", "accuracy", "chinchilla"),
    [(2e9, 1.10e8, 354, 9.1, 0.8073, 0.7346), (1.4e11, None, 115, 363, 0.9634, 0.9564)],
)
def test_approach2_optimum(
    served: float, params: float | None, ratio: float, k: float, accuracy: float, chinchilla: float
) -> None:
    best = two_budgets(A2.accuracy, train_flops=C, served_flops=served, measured=WIDE, extrapolate=True)
    assert best.ratio == pytest.approx(ratio, rel=0.02)
    assert best.k == pytest.approx(k, rel=0.02)
    assert best.score == pytest.approx(accuracy, abs=1e-4)
    assert best.edges == ()
    if params is not None:
        assert best.params == pytest.approx(params, rel=0.01)
    n = LAW.optimal_params(C)
    assert A2.accuracy(n, C / 6 / n, served / 2 / n) == pytest.approx(chinchilla, abs=1e-4)


def brute_force(deployment: Deployment, k: int) -> float:
    """Best over N alone at the k given."""
    n = np.geomspace(1e6, 1e10, 4001)
    tokens = np.maximum(deployment.tokens(n, np.array(float(k))), 1.0)
    return float(A2.accuracy(n, tokens, k).max())


@pytest.mark.parametrize(
    ("served", "fixed", "ratio", "k", "accuracy", "share"),
    [
        (1e8, None, 93, 294, 0.945, 0.39),
        (1e9, None, 146, 49, 0.876, None),
        (1e10, None, 238, 8, 0.738, 0.56),
        (1e8, 1, 24, 1, 0.619, None),
        (1e10, 1, 46, 1, 0.597, None),
    ],
)
def test_end_to_end(
    served: float, fixed: int | None, ratio: float, k: int, accuracy: float, share: float | None
) -> None:
    deployment = Deployment(total_flops=C, queries=served / 100, tokens_per_sample=100)
    best = end_to_end(A2.accuracy, deployment, measured=WIDE, fixed_k=fixed, extrapolate=True)
    assert best.score == pytest.approx(accuracy, abs=6e-4)
    # The optimum is flat: the worked example, on a coarser grid, differs by a few per cent in (r, k) and
    # nothing in accuracy.
    assert best.ratio == pytest.approx(ratio, rel=0.08)
    assert best.k == pytest.approx(k, rel=0.08)
    assert best.score >= brute_force(deployment, k) - 1e-6
    if share is not None:
        assert best.inference_share == pytest.approx(share, abs=0.015)
    spent = 6 * best.params * best.tokens + float(
        deployment.inference(np.array(best.params), np.array(best.k))
    )
    assert spent == pytest.approx(C, rel=1e-9)


def test_what_lies_far_outside_of_the_measured_is_refused() -> None:
    near = Measured(params=(1e8, 4e8), tokens=(1e9, 2e9))
    best = two_budgets(A2.accuracy, train_flops=C, served_flops=2e9, measured=near)
    assert best.tokens <= 8e9 and best.edges == ("range",)
    with pytest.raises(ValueError, match="within what was measured"):
        two_budgets(A2.accuracy, train_flops=1e3, served_flops=2e9, measured=near)
    edge = two_budgets(
        A2.accuracy, train_flops=C, served_flops=2e9, measured=Measured(params=(1e9, 2e9), tokens=(1, 1e12))
    )
    assert edge.edges == ("N",)


def lattice() -> tuple[np.ndarray, np.ndarray]:
    n, r = np.meshgrid([2e5, 4e5, 8e5, 1.6e6], [5.0, 20.0, 80.0, 320.0])
    return n.ravel(), (n * r).ravel()


def test_fits_find_the_law_that_made_the_data() -> None:
    n, d = lattice()
    truth = ChinchillaLaw(E=0.3, A=40.0, B=300.0, alpha=0.35, beta=0.4)
    fitted = fit_chinchilla(n, d, truth.loss(n, d), restarts=20)
    np.testing.assert_allclose(fitted.loss(3e6, 3e8), truth.loss(3e6, 3e8), rtol=5e-3)
    assert fitted.optimal_params(1e15) == pytest.approx(truth.optimal_params(1e15), rel=0.05)
    again = fit_chinchilla(n, d, truth.loss(n, d), start=fitted)
    np.testing.assert_allclose(again.loss(n, d), truth.loss(n, d), rtol=1e-3)


def test_approach1_fit() -> None:
    n, d = (x[:, None] for x in lattice())
    k = np.array([1.0, 4, 16, 64])[None, :]
    truth = Approach1(E=0.2, A=40.0, B=300.0, alpha=0.35, beta=0.4, G=1.5, gamma=0.4)
    n, d, k = (x.ravel() for x in np.broadcast_arrays(n, d, k))
    fitted = fit_approach1(n, d, k, truth.loss(n, d, k), restarts=20)
    np.testing.assert_allclose(fitted.loss(n, d, k), truth.loss(n, d, k), rtol=0.01)


def test_approach2_fit() -> None:
    n, d = lattice()
    law = ChinchillaLaw(E=0.3, A=40.0, B=300.0, alpha=0.35, beta=0.4)
    truth = Approach2(law=law, theta=(2.0, 1.5, 0.95, 0.5, -0.3))
    k = np.array([1, 4, 16, 64])
    accuracy = truth.accuracy(n[:, None], d[:, None], k[None, :])
    fitted = fit_approach2(n, d, law.loss(n, d), k, accuracy, restarts=12)
    np.testing.assert_allclose(fitted.accuracy(n[:, None], d[:, None], k), accuracy, atol=0.01)
    assert np.all(naive_accuracy(truth.theta, law.loss(n, d), 16) >= truth.accuracy(n, d, 16))  # concavity


def test_overtraining_laws() -> None:
    n, d = lattice()
    truth = OvertrainingLaw(E=0.4, a=50.0, b=200.0, eta=0.38)
    fitted = fit_overtraining(n, d, truth.loss(n, d), restarts=12)
    np.testing.assert_allclose(fitted.loss(n, d), truth.loss(n, d), rtol=1e-3)
    assert truth.loss(2e5, 4e6) == pytest.approx(0.4 + 50 * 2e5**-0.38 + 200 * 6**-0.19 * (20 * 2e5) ** -0.38)
    errors = ErrorLaw(ceiling=0.9, kappa=0.8, gamma=1.2)
    loss = np.linspace(0.3, 3, 8)
    np.testing.assert_allclose(
        fit_error_law(loss, errors.error(loss)).error(loss), errors.error(loss), atol=1e-4
    )


def test_likelihood_loss() -> None:
    assert likelihood_loss(np.log([0.5]), [1, 2])[0] == pytest.approx(np.log(2))
    assert likelihood_loss(np.log([0.5]), [1, 2])[1] == pytest.approx(-np.log(0.75))
    assert likelihood_loss([-1000.0], [8])[0] == pytest.approx(1000 - np.log(8))
    assert likelihood_loss([0.0], [1])[0] == 0
    rates = np.array([0.1, 0.6])
    jensen = -np.log(np.mean(1 - (1 - rates) ** 4))
    assert likelihood_loss(np.log(rates), [4])[0] > jensen


def test_unsolved_problems_get_posterior_means_not_infinity() -> None:
    loss = posterior_loss([8, 8], [0, 4], [1], a=1.0, b=3.0)
    assert loss[0] == pytest.approx(-(np.log(1 / 12) + np.log(5 / 12)) / 2)


def test_what_cannot_be_fitted_is_said() -> None:
    with pytest.raises(ValueError, match="5 parameters cannot be fitted to 3 rows"):
        fit_chinchilla([1e5, 2e5, 4e5], [1e6, 1e6, 1e6], [2.0, 1.9, 1.8])
    with pytest.raises(ValueError, match="finite and not negative"):
        fit_chinchilla([1e5] * 6, [1e6] * 6, [2.0, 1.9, 1.8, 1.7, 1.6, np.inf])


def test_isoline_weights() -> None:
    weights = isoline_weights([2.0, 2.4, 1.0, 1.2, 3.0], [1, 1, 2, 2, 3])
    assert weights[2] == weights[3] == pytest.approx(4 * weights[0])
    assert weights.mean() == pytest.approx(1)
    np.testing.assert_array_equal(isoline_weights([1.0, 2.0], [1, 2]), [1, 1])
    elsewhere = isoline_weights([2.0, 2.4, 1.0, 1.2, 3.0, 9.0], [1, 1, 2, 2, 0, 0])
    assert elsewhere[4] == elsewhere[5] and elsewhere[0] < elsewhere[4] < elsewhere[2], "on no isoline"


def test_bases_from_elsewhere_are_no_isoline_of_the_measured_shift() -> None:
    ratios = np.array([1.0, 10.0, 100.0, 1.0, 10.0, 100.0])
    single, many = np.array([3, 2, 1, 3, 2, 1]), np.array([1, 2, 3, 1, 2, 3])
    levels = np.array([2, 2, 2, 0, 0, 0])
    assert measured_shift(ratios, levels, single, many) == pytest.approx(np.log(100))
    assert np.isnan(measured_shift(ratios, np.zeros(6), single, many))
