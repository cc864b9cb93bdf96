"""Scaling laws of pass@k: the exponentiated power law of repeated sampling, its log-log relative, and where
exponents come from.

See docs/methods/pass_at_k.md#power-laws.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares
from scipy.special import gammaln

from planner.estimators.counts import checked
from planner.estimators.pass_at_k import pass_at_k

POINTS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentiatedPowerLaw:
    """pass@k = exp(a k^b), a < 0, b < 0 (Large Language Monkeys, arXiv 2407.21787)."""

    a: float
    b: float

    def pass_at_k(self, k: float) -> float:
        """At any k >= 1, real."""
        return float(np.exp(self.a * k**self.b))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePowerLaw:
    """1 - pass@k = exp(log_scale) k^-exponent: what a Beta-like lower tail of difficulty gives for large k
    (arXiv 2502.17578)."""

    log_scale: float
    exponent: float

    def pass_at_k(self, k: float) -> float:
        """At any k >= 1; kept within [0, 1], which the law itself is not."""
        return float(np.clip(1 - np.exp(self.log_scale - self.exponent * np.log(k)), 0.0, 1.0))


def curve(n: ArrayLike, c: ArrayLike, *, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """About ``points`` log-spaced whole k <= every n, and the unbiased pass@k of the benchmark at each."""
    trials, right = checked(n, c)
    ks = np.unique(np.rint(np.geomspace(1, trials.min(), points)).astype(np.int64))
    return ks, np.array([pass_at_k(trials, right, int(k)).mean() for k in ks])


def fit_exponentiated(n: ArrayLike, c: ArrayLike) -> ExponentiatedPowerLaw:
    """Regression of log(-log pass@k) on log k, refined by least squares on pass@k itself.

    Raises:
        ValueError: pass@k is 0 or 1 at fewer than all but two k: there is no slope to fit.
    """
    ks, values = _interior(n, c)
    slope, level = np.polyfit(np.log(ks), np.log(-np.log(values)), 1)
    found = least_squares(
        lambda t: np.exp(-np.exp(t[0] + t[1] * np.log(ks))) - values, [level, min(slope, -1e-3)]
    )
    return ExponentiatedPowerLaw(a=float(-np.exp(found.x[0])), b=float(found.x[1]))


def fit_failure(n: ArrayLike, c: ArrayLike) -> FailurePowerLaw:
    """Regression of log(1 - pass@k) on log k (the log-log variant); a poor model below the tail, kept as the
    baseline it is."""
    ks, values = _interior(n, c)
    slope, level = np.polyfit(np.log(ks), np.log1p(-values), 1)
    return FailurePowerLaw(log_scale=float(level), exponent=float(-slope))


def tail_failure(a: float, b: float, k: float) -> float:
    """E(1-p)^k of Beta(a, b) for large k, Gamma(a+b) / Gamma(b) k^-a: the exponent of the law is that of hard
    problems' density."""
    return float(np.exp(gammaln(a + b) - gammaln(b) - a * np.log(k)))


def has_slope(n: ArrayLike, c: ArrayLike) -> bool:
    """True if pass@k lies between 0 and 1 at two k <= every n at least, which both laws need."""
    trials, _ = checked(n, c)
    return bool(trials.min() >= 2) and len(_inside(n, c)[0]) >= 2


def _inside(n: ArrayLike, c: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    ks, values = curve(n, c)
    inside = (values > 0) & (values < 1)
    return ks[inside], values[inside]


def _interior(n: ArrayLike, c: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    ks, values = _inside(n, c)
    if len(ks) < 2:
        raise ValueError(
            "a power law needs pass@k between 0 and 1 at two k at least: nothing, or everything, was solved"
        )
    return ks, values
