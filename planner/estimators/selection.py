"""The coverage that is left when one sample must be chosen: best of k by a score, the longest of k, and the
gap to coverage.

See docs/methods/pass_at_k.md#best-of-k.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from planner.estimators.pass_at_k import pass_at_k


def order_weights(n: int, k: int) -> np.ndarray:
    """[n] probability that the sample of rank r (0 = best) of n is the best of k drawn from them: C(n-1-r,
    k-1) / C(n, k).

    Raises:
        ValueError: unless 1 <= k <= n.
    """
    if not 1 <= k <= n:
        raise ValueError(f"k is {k}: it lies between 1 and the {n} samples of the problem")
    below = n - 1 - np.arange(n)
    possible = below >= k - 1
    left = np.where(possible, below, k - 1)
    log = (
        gammaln(left + 1)
        - gammaln(k)
        - gammaln(left - k + 2)
        - (gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
    )
    return np.where(possible, np.exp(log), 0.0)


def best_of_k(scores: ArrayLike, values: ArrayLike, k: int) -> float:
    """Expected value of the highest-scored of k samples, unbiased from n >= k (the general form of PKPO,
    arXiv 2505.15201, eq. 12).

    Args:
        scores: [n] what the choice is made by; samples with the same score are equally likely to be chosen.
        values: [n] what the chosen sample is worth: 0/1, or any reward; with ``values = scores`` this is
            max@k.
        k: samples drawn.
    """
    score, value = np.asarray(scores, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if score.shape != value.shape or score.ndim != 1:
        raise ValueError(f"scores {score.shape} and values {value.shape}: one of each for every sample")
    _, tied = np.unique(-score, return_inverse=True)
    shared = (np.bincount(tied, weights=value) / np.bincount(tied))[tied]
    return float(order_weights(len(score), k) @ shared[np.argsort(tied, kind="stable")])


def longest_of_k(lengths: ArrayLike, k: int) -> float:
    """Expected length of the longest of k samples, unbiased from n >= k: what a batch of k waits for, in
    tokens."""
    return best_of_k(lengths, lengths, k)


def selection_gap(correct: ArrayLike, scores: ArrayLike, k: int) -> float:
    """pass@k - best-of-k for one problem: what a perfect verifier would add to this score.

    Args:
        correct: [n] 0/1.
        scores: [n].
        k: samples drawn.
    """
    right = np.asarray(correct, dtype=np.int64)
    return float(pass_at_k(len(right), right.sum(), k)) - best_of_k(scores, right, k)
