"""The value of samples when p ~ Beta(a, b): survival, coverage, gain of the m-th sample, and its inverse.
Vectorised, exact.

E(1-p)^j = B(a, b+j) / B(a, b) and E[p (1-p)^(m-1)] = B(a+1, b+m-1) / B(a, b), both as differences of
log-gamma.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

_NEWTON_ROUNDS = 8


def log_survival(a: ArrayLike, b: ArrayLike, j: ArrayLike) -> np.ndarray:
    """[...] log of S_j = E(1-p)^j, the chance that j samples all fail; real j >= 0."""
    a, b, j = (np.asarray(x, dtype=np.float64) for x in (a, b, j))
    return gammaln(b + j) - gammaln(b) - gammaln(a + b + j) + gammaln(a + b)


def coverage(a: ArrayLike, b: ArrayLike, k: ArrayLike) -> np.ndarray:
    """[...] expected pass@k, 1 - S_k."""
    return 0.0 - np.expm1(log_survival(a, b, k))


def log_gain(a: ArrayLike, b: ArrayLike, m: ArrayLike) -> np.ndarray:
    """[...] log of the gain of sample number m >= 1: that it is right and the m - 1 before it are not.
    Decreasing in m."""
    a, b, m = (np.asarray(x, dtype=np.float64) for x in (a, b, m))
    return gain_constant(a, b) + gammaln(b + m - 1) - gammaln(a + b + m)


def gain_constant(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[...] the part of ``log_gain`` that does not depend on m."""
    return np.log(a) + gammaln(a + b) - gammaln(b)


def samples_worth(a: np.ndarray, b: np.ndarray, target: np.ndarray, k_max: int) -> np.ndarray:
    """[n] int64: how many samples have a ``log_gain - gain_constant`` of at least ``target`` each, at most
    ``k_max``.

    Args:
        a: [n] > 0.
        b: [n] > 0.
        target: [n]; +inf gives 0.
        k_max: cap.

    The gain behaves like y^-(a+1) with y = b + m - 1 + a/2, which inverts at once; a bracketed correction
    makes it exact. Most rows need one or two rounds.
    """
    low = np.zeros(len(a), dtype=np.int64)
    high = np.full(len(a), k_max + 1, dtype=np.int64)
    high[np.isposinf(target)] = 1
    with np.errstate(over="ignore"):
        guess = _to_samples(np.exp(-target / (a + 1)), a, b, k_max)
    rows = np.flatnonzero(high - low > 1)
    for turn in range(_NEWTON_ROUNDS + 64):
        if not rows.size:
            break
        m = np.clip(guess[rows], low[rows] + 1, high[rows] - 1)
        guess[rows] = _narrow(rows, m, a, b, target, low, high, k_max)
        if turn >= _NEWTON_ROUNDS:
            guess[rows] = (low[rows] + high[rows]) // 2
        rows = rows[high[rows] - low[rows] > 1]
    return low


def _narrow(
    rows: np.ndarray,
    m: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    target: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    k_max: int,
) -> np.ndarray:
    """Tighten the brackets of ``rows`` by what m and its neighbours say; returns the next guesses."""
    ar, br, tr = a[rows], b[rows], target[rows]
    value = gammaln(br + m - 1) - gammaln(ar + br + m)
    enough = value >= tr
    after = value + np.log((br + m - 1) / (ar + br + m))
    # The value at m - 1 is only asked for where m >= 2; max() keeps the log defined elsewhere.
    before = value - np.log(np.maximum(br + m - 2, 1e-300) / (ar + br + m - 1))
    low[rows] = np.where(enough, m, np.where((m >= 2) & (before >= tr), m - 1, low[rows]))
    high[rows] = np.where(enough, np.where(after < tr, m + 1, high[rows]), m)
    return _to_samples(
        (br + m - 1 + ar / 2) * np.exp(np.clip((value - tr) / (ar + 1), -50, 50)), ar, br, k_max
    )


def _to_samples(y: np.ndarray, a: np.ndarray, b: np.ndarray, k_max: int) -> np.ndarray:
    return np.clip(np.floor(y - a / 2 - b + 1), 0, k_max + 1).astype(np.int64)
