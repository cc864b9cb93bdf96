"""Unbiased pass@k and pass^k from counts. All counts of one call come from one sampling config: pooled, they
would mix two p's.

See docs/methods/pass_at_k.md#unbiased-estimate.
"""

import numpy as np
from numpy.typing import ArrayLike


def pass_at_k(n: ArrayLike, c: ArrayLike, k: int) -> np.ndarray:
    """Probability that at least one of k samples is right: 1 - C(n-c, k) / C(n, k), unbiased for each problem
    (arXiv 2107.03374).

    Computed as -expm1 of a sum of k logs, so that neither large n nor small differences lose digits. The
    plug-in 1 - (1 - c/n)^k is biased
    low: with n = 16, p = .1, k = 8 its mean is .491, the truth .570.

    Args:
        n: [...] samples of each problem.
        c: [...] of which right; broadcasts with n.
        k: samples that count, 1 <= k <= every n.

    Returns:
        [...] float64. Their plain mean is the benchmark's pass@k.

    Raises:
        ValueError: if k > n anywhere: nothing unbiased can be said there; draw more samples.
    """
    trials, right = _checked(n, c, k)
    return 0.0 - np.expm1(_log_share(trials, trials - right, k))


def pass_hat_k(n: ArrayLike, c: ArrayLike, k: int) -> np.ndarray:
    """Probability that all of k samples are right (pass^k, reliability): C(c, k) / C(n, k), unbiased for each
    problem.

    Arguments, shapes and errors as for ``pass_at_k``; with right and wrong swapped, it is 1 - pass@k.
    """
    trials, right = _checked(n, c, k)
    return np.exp(_log_share(trials, right, k))


def _log_share(trials: np.ndarray, part: np.ndarray, k: int) -> np.ndarray:
    """log(C(part, k) / C(trials, k)): that k draws without replacement all come from the part; -inf if the
    part is too small."""
    j = np.arange(k)
    with np.errstate(divide="ignore"):  # log(0) = -inf is meant: C(part, k) = 0
        logs = np.log(np.maximum(part[..., None] - j, 0)) - np.log(trials[..., None] - j)
    return logs.sum(axis=-1)


def _checked(n: ArrayLike, c: ArrayLike, k: int) -> tuple[np.ndarray, np.ndarray]:
    trials, right = np.broadcast_arrays(np.asarray(n, dtype=np.int64), np.asarray(c, dtype=np.int64))
    if np.any((right < 0) | (right > trials)):
        raise ValueError("c: the right samples of a problem lie between 0 and n")
    if k < 1:
        raise ValueError(f"k is {k}: it must be 1 or more")
    if trials.size and k > trials.min():
        raise ValueError(
            f"k is {k} but a problem has only {trials.min()} samples: lower k or draw more samples (pass@k"
            " needs k <= n)"
        )
    return trials, right
