"""The difficulty probe on prompts whose difficulty is a known function of their features."""

import numpy as np
import pytest
from scipy.special import expit

from planner.belief.calibration import IsotonicMap, calibration
from planner.belief.probe import fit_probe


def prompts(
    count: int, *, seed: int, samples: int = 8, sharpness: float = 1.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features [count, 12] of which two matter, successes, true probabilities."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 12))
    p = expit(sharpness * (x[:, 0] - x[:, 1]) + 0.4 * rng.normal(size=count) - 0.5)
    return x, rng.binomial(samples, p), p


@pytest.mark.parametrize("kind", ["temperature", "isotonic"])
def test_unseen_prompts_are_predicted_and_calibrated(kind: str) -> None:
    x, c, _ = prompts(500, seed=0)
    probe = fit_probe(x, c, np.full(500, 8), calibrate=kind)  # a parametrised literal
    fresh, right, p = prompts(1000, seed=1)
    predicted = probe.predict(fresh)
    assert np.corrcoef(predicted, p)[0, 1] > 0.9
    assert calibration(predicted, right, np.full(1000, 8)).ece < 0.04
    assert probe.calibration.ece < 0.06
    a, b = probe.prior(fresh)
    assert a / (a + b) == pytest.approx(predicted)
    assert 2 < probe.size < 60


def test_features_that_say_nothing_are_worth_little() -> None:
    rng = np.random.default_rng(2)
    c = rng.binomial(16, rng.beta(0.6, 0.6, 300))
    probe = fit_probe(rng.normal(size=(300, 40)), c, np.full(300, 16))
    assert probe.penalty == 1000
    assert probe.size == pytest.approx(1.2, abs=0.4), "the spread of the prompts themselves"
    assert np.ptp(probe.predict(rng.normal(size=(50, 40)))) < 0.3


def test_calibration_by_hand() -> None:
    """Two bins: .2 predicted and 1 of 10, .7 predicted and 9 of 10."""
    found = calibration([0.2, 0.7], [1, 9], [10, 10], bins=2)
    assert found.predicted == pytest.approx([0.2, 0.7])
    assert found.observed == pytest.approx([0.1, 0.9])
    assert found.ece == pytest.approx(0.15)
    assert found.brier == pytest.approx((0.64 + 9 * 0.04 + 9 * 0.09 + 0.49) / 20)


def test_isotonic_curves_rise_and_never_reach_certainty() -> None:
    scores = np.arange(6.0)
    curve = IsotonicMap.fit(scores, np.array([0, 2, 1, 5, 9, 10.0]), np.full(6, 10.0))
    values = curve(np.linspace(-1, 7, 50))
    assert (np.diff(values) >= 0).all()
    assert 0 < values.min() < values.max() < 1
    assert float(curve(np.array([1.5]))[0]) == pytest.approx(3.5 / 21)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.zeros((9, 2))}, "must be"),
        ({"trials": np.zeros(20)}, "finite"),
        ({"folds": 11}, "too few"),
    ],
)
def test_bad_input_is_refused(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {
        "features": np.ones((20, 2)),
        "successes": np.ones(20),
        "trials": np.full(20, 2),
    }
    with pytest.raises(ValueError, match=message):
        fit_probe(**(good | change))  # a mapping of mixed types


def test_another_models_features_are_refused() -> None:
    x, c, _ = prompts(50, seed=3)
    with pytest.raises(ValueError, match=r"reads \[M, 12\]"):
        fit_probe(x, c, np.full(50, 8)).predict(np.zeros((3, 7)))
