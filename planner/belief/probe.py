"""A difficulty probe: success probability of an unseen prompt from features of it (an embedding, or a hidden
state of the policy).

Ridge-penalised logistic regression on counts, its penalty and its calibration chosen on prompts that it was
not fitted to. What it returns is a Beta: the probability, and how many outcomes that prediction is worth, so
that real outcomes overrule it in time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize, minimize_scalar
from scipy.special import betaln, expit

from planner.belief.calibration import Calibration, IsotonicMap, calibration

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
_CLIP = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class DifficultyProbe:
    """A fitted probe."""

    mean: np.ndarray
    """[d] of the features."""
    scale: np.ndarray
    """[d] standard deviations."""
    weight: np.ndarray
    """[d] on standardised features."""
    intercept: float
    penalty: float
    temperature: float
    isotonic: IsotonicMap | None
    size: float
    """a + b of the Beta: outcomes that a prediction is worth."""
    calibration: Calibration
    """On prompts that the weights, the temperature and the isotonic map were not fitted to."""

    def predict(self, features: ArrayLike) -> np.ndarray:
        """[M] success probabilities of prompts with features [M, d], calibrated."""
        x = np.asarray(features, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.weight):
            raise ValueError(f"features of shape {x.shape}: this probe reads [M, {len(self.weight)}]")
        return _calibrated(
            (x - self.mean) / self.scale @ self.weight + self.intercept, self.temperature, self.isotonic
        )

    def prior(self, features: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Beta (a, b), each [M]: ``Query.prior`` of unseen prompts."""
        p = self.predict(features)
        return p * self.size, (1 - p) * self.size


def fit_probe(
    features: ArrayLike,
    successes: ArrayLike,
    trials: ArrayLike,
    *,
    calibrate: Literal["temperature", "isotonic"] = "temperature",
    penalties: Sequence[float] = PENALTIES,
    folds: int = 5,
    seed: int = 0,
) -> DifficultyProbe:
    """Fit on prompts with known counts.

    Args:
        features: [M, d].
        successes: [M].
        trials: [M], at least 1 each.
        calibrate: ``temperature`` divides the logits by one number; ``isotonic`` bends them to any rising
            curve, and wants hundreds of prompts.
        penalties: of the squared weights, tried by cross-validation.
        folds: of the cross-validation.
        seed: of the folds.

    Raises:
        ValueError: shapes that do not fit, fewer than two prompts a fold, or features that are not finite.
    """
    x, c, n = _checked(features, successes, trials, folds)
    fold = np.random.default_rng(seed).permutation(len(x)) % folds
    held_out = {penalty: _out_of_fold(x, c, n, fold, penalty) for penalty in penalties}
    penalty = min(held_out, key=lambda lam: calibration(expit(held_out[lam]), c, n).log_loss)
    logits = held_out[penalty]
    corrected = np.empty(len(x))
    for i in range(folds):  # the correction too is judged on prompts that it has not seen
        rest, part = fold != i, fold == i
        corrected[part] = _calibrated(logits[part], *_correction(logits[rest], c[rest], n[rest], calibrate))
    temperature, isotonic = _correction(logits, c, n, calibrate)
    mean, scale, weight, intercept = _logistic(x, c, n, penalty)
    return DifficultyProbe(
        mean=mean,
        scale=scale,
        weight=weight,
        intercept=intercept,
        penalty=penalty,
        temperature=temperature,
        isotonic=isotonic,
        size=_fit_size(corrected, c, n),
        calibration=calibration(corrected, c, n),
    )


def _checked(
    features: ArrayLike, successes: ArrayLike, trials: ArrayLike, folds: int
) -> tuple[np.ndarray, ...]:
    x, c, n = (np.asarray(v, dtype=np.float64) for v in (features, successes, trials))
    if x.ndim != 2 or c.shape != (len(x),) or n.shape != (len(x),):
        raise ValueError(
            f"features {x.shape}, successes {c.shape}, trials {n.shape}: they must be [M, d], [M] and [M]"
        )
    if len(x) < 2 * folds:
        raise ValueError(
            f"features: {len(x)} prompts are too few for {folds} folds; give at least {2 * folds}"
        )
    if not np.isfinite(x).all() or (n < 1).any() or (c < 0).any() or (c > n).any():
        raise ValueError(
            "features must be finite, and successes lie between 0 and trials, which are at least 1"
        )
    return x, c, n


def _out_of_fold(x: np.ndarray, c: np.ndarray, n: np.ndarray, fold: np.ndarray, penalty: float) -> np.ndarray:
    """[M] logits, each from a fit to the other folds."""
    out = np.empty(len(x))
    for i in range(int(fold.max()) + 1):
        rest, part = fold != i, fold == i
        mean, scale, weight, intercept = _logistic(x[rest], c[rest], n[rest], penalty)
        out[part] = (x[part] - mean) / scale @ weight + intercept
    return out


def _logistic(
    x: np.ndarray, c: np.ndarray, n: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Mean and scale of the features, weights, intercept. Prompts weigh alike, whatever their number of
    samples."""
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    z, rate = (x - mean) / scale, c / n

    def loss(t: np.ndarray) -> tuple[float, np.ndarray]:
        logits = z @ t[1:] + t[0]
        error = expit(logits) - rate
        value = (np.logaddexp(0, logits) - rate * logits).sum() + 0.5 * penalty * t[1:] @ t[1:]
        return float(value), np.append(error.sum(), z.T @ error + penalty * t[1:])

    start = np.zeros(z.shape[1] + 1)
    base = np.clip(rate.mean(), 0.01, 0.99)
    start[0] = np.log(base / (1 - base))
    found = minimize(loss, start, jac=True, method="L-BFGS-B")
    return mean, scale, found.x[1:], float(found.x[0])


def _correction(
    logits: np.ndarray, c: np.ndarray, n: np.ndarray, kind: str
) -> tuple[float, IsotonicMap | None]:
    if kind == "isotonic":
        return 1.0, IsotonicMap.fit(logits, c, n)

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float((n * np.logaddexp(0, scaled) - c * scaled).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 5), method="bounded").x)), None


def _calibrated(logits: np.ndarray, temperature: float, isotonic: IsotonicMap | None) -> np.ndarray:
    p = expit(logits / temperature) if isotonic is None else isotonic(logits)
    return np.clip(p, _CLIP, 1 - _CLIP)


def _fit_size(p: np.ndarray, c: np.ndarray, n: np.ndarray) -> float:
    """a + b that makes the counts likeliest when prompt i is Beta(p_i size, (1 - p_i) size)."""

    def loss(log_size: float) -> float:
        a, b = p * np.exp(log_size), (1 - p) * np.exp(log_size)
        return float(-(betaln(a + c, b + n - c) - betaln(a, b)).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 8), method="bounded").x))
