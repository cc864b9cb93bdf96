"""Are predicted success probabilities what happens? Reliability table, calibration error, isotonic
correction."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Predictions of held-out prompts against their outcomes, in bins of equal numbers of prompts."""

    predicted: np.ndarray
    """[B] mean prediction, samples weighing alike."""
    observed: np.ndarray
    """[B] success rate."""
    samples: np.ndarray
    """[B] outcomes."""
    brier: float
    """Mean squared error of the prediction of one outcome."""
    log_loss: float
    """Mean negative log-likelihood of one outcome, nats."""

    @property
    def ece(self) -> float:
        """Expected calibration error: mean |predicted - observed|, bins weighing as their outcomes."""
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.samples))


def calibration(
    predicted: ArrayLike, successes: ArrayLike, trials: ArrayLike, *, bins: int = BINS
) -> Calibration:
    """Compare predictions [M] in (0, 1) with successes [M] of trials [M]."""
    p, c, n = (np.asarray(x, dtype=np.float64) for x in (predicted, successes, trials))
    parts = [part for part in np.array_split(np.argsort(p, kind="stable"), bins) if part.size]
    total = np.array([n[part].sum() for part in parts])
    safe = np.clip(p, 1e-12, 1 - 1e-12)
    return Calibration(
        predicted=np.array([p[part] @ n[part] for part in parts]) / total,
        observed=np.array([c[part].sum() for part in parts]) / total,
        samples=total,
        brier=float((c * (1 - p) ** 2 + (n - c) * p**2).sum() / n.sum()),
        log_loss=float(-(c * np.log(safe) + (n - c) * np.log1p(-safe)).sum() / n.sum()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IsotonicMap:
    """A rising step function through points, linear in between."""

    x: np.ndarray
    y: np.ndarray

    @classmethod
    def fit(cls, scores: np.ndarray, successes: np.ndarray, trials: np.ndarray) -> "IsotonicMap":
        """The rising curve closest to the success rates of prompts with these scores [M]; levels shrunk so
        that none is 0 or 1."""
        order = np.argsort(scores, kind="stable")
        fitted = isotonic_regression((successes / trials)[order], weights=trials[order])
        ends = fitted.blocks
        middles, levels = [], []
        for start, stop in pairwise(ends):
            rows = order[start:stop]
            middles.append(np.average(scores[rows], weights=trials[rows]))
            levels.append((successes[rows].sum() + 0.5) / (trials[rows].sum() + 1))
        return cls(x=np.array(middles), y=np.maximum.accumulate(np.array(levels)))

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """[M] probabilities."""
        return np.interp(scores, self.x, self.y)
