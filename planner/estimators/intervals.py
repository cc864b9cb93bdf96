"""Jeffreys limits for one problem, carried through pass@k, and the interval of a benchmark. Wilson is in
``planner.estimators.bootstrap``.

See docs/methods/pass_at_k.md#intervals.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from planner.estimators.bootstrap import RESAMPLES, Interval, bootstrap_mean, wilson
from planner.estimators.counts import checked
from planner.estimators.pass_at_k import pass_at_k


def jeffreys(c: ArrayLike, n: ArrayLike, *, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Equal-tailed limits (low, high), each [M], of Beta(c + 1/2, n - c + 1/2); 0 if c = 0 and 1 if c = n
    (Brown et al. 2001).

    At c = 0 the other end stays at its one-sided tail, (1 + confidence) / 2: 0 of 16 gives .143184 for 95%.
    """
    trials, right = checked(n, c)
    tail = (1 - confidence) / 2
    low = betaincinv(right + 0.5, trials - right + 0.5, tail)
    high = betaincinv(right + 0.5, trials - right + 0.5, 1 - tail)
    return np.where(right == 0, 0.0, low), np.where(right == trials, 1.0, high)


def through_pass_at_k(limits: tuple[np.ndarray, np.ndarray], k: float) -> tuple[np.ndarray, np.ndarray]:
    """Limits of p turned into limits of 1 - (1 - p)^k, which rises with p, so that the coverage stays."""
    with np.errstate(divide="ignore"):  # p = 1: log 0 = -inf, pass@k 1
        return -np.expm1(k * np.log1p(-limits[0])), -np.expm1(k * np.log1p(-limits[1]))


def benchmark_pass_at_k(
    n: ArrayLike, c: ArrayLike, k: int, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Mean pass@k over problems with its interval, the one rule of every table: the problem is the unit.

    Several problems: ``bootstrap_mean``, which resamples them with their counts, or where all have the same
    estimate says what that many rule out. One problem: its Wilson limits through pass@k.

    Raises:
        ValueError: k > n of some problem (see ``planner.forecast`` for larger k).
    """
    trials, right = checked(n, c)
    values = pass_at_k(trials, right, k)
    if len(values) > 1:
        return bootstrap_mean(values, confidence=confidence, resamples=resamples, seed=seed)
    low, high = through_pass_at_k(wilson(right, trials, confidence=confidence), k)
    value = float(values.mean())
    return Interval(value=value, low=min(value, float(np.min(low))), high=max(value, float(np.max(high))))
