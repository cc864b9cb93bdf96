"""Tokens that k samples take: all of them, one after the other until one is accepted, or as long as the
longest.

See docs/methods/cost.md#lengths.
"""

from collections.abc import Mapping

import numpy as np
from scipy.special import betaln, gammaln


def expected_longest(lengths: Mapping[int, int], k: int) -> float:
    """E[longest of k samples] from an empirical histogram length -> count, without replacement, k <= samples.

    The r-th longest of n (r from 0) is the longest of k with probability C(n-1-r, k-1) / C(n, k).

    Raises:
        ValueError: fewer than k samples.
    """
    values = np.array(sorted(lengths, reverse=True), dtype=np.float64)
    counts = np.array([lengths[int(v)] for v in values], dtype=np.float64)
    n = counts.sum()
    if not 1 <= k <= n:
        raise ValueError(f"k is {k} but there are {int(n)} lengths: needs 1 <= k <= samples")
    below = n - np.cumsum(counts)  # Samples strictly shorter than each value.
    none_longer = np.exp(_log_choose(below, k) - _log_choose(n, k))  # P(all k are among the shorter ones)
    before = np.concatenate([[1.0], none_longer[:-1]])
    return float(values @ (before - none_longer))


def _log_choose(n: np.ndarray | float, k: int) -> np.ndarray:
    """log C(n, k), -inf below k."""
    size = np.asarray(n, dtype=np.float64)
    inside = np.maximum(size, k)
    value = gammaln(inside + 1) - gammaln(k + 1) - gammaln(inside - k + 1)
    return np.where(size >= k, value, -np.inf)


def sequential_outcome(
    a: float, b: float, cap: int, *, right_tokens: float, wrong_tokens: float
) -> tuple[float, float, float]:
    """(tokens, samples, pass probability) of sampling until the verifier accepts, at most ``cap`` times, p ~
    Beta(a, b).

    Attempt j + 1 happens with S_j = B(a, b + j) / B(a, b) and succeeds with a / (a + b + j).
    """
    j = np.arange(cap)
    alive = np.exp(betaln(a, b + j) - betaln(a, b))
    hit = a / (a + b + j)
    tokens = float(alive @ (hit * right_tokens + (1 - hit) * wrong_tokens))
    return tokens, float(alive.sum()), float(alive @ hit)


def sequential_tokens(
    n: np.ndarray, c: np.ndarray, cap: int, *, right_tokens: float, wrong_tokens: float
) -> float:
    """Mean over problems of ``tokens_until_accepted``."""
    return float(
        tokens_until_accepted(n, c, cap, right_tokens=right_tokens, wrong_tokens=wrong_tokens).mean()
    )


def tokens_until_accepted(
    n: np.ndarray,
    c: np.ndarray,
    cap: int,
    *,
    right_tokens: float | np.ndarray,
    wrong_tokens: float | np.ndarray,
) -> np.ndarray:
    """[M] tokens of the same for measured problems: unbiased survival C(n - c, j) / C(n, j) for j < cap <= n.
    Lengths are of all problems, or [M]."""
    trials, wrong = n.astype(np.float64), (n - c).astype(np.float64)
    total = np.zeros(len(n))
    alive = np.ones(len(n))
    for j in range(cap):
        left = trials - j
        miss = np.clip((wrong - j) / left, 0, 1)  # Of the next draw, given that the first j were wrong.
        total += alive * ((1 - miss) * right_tokens + miss * wrong_tokens)
        alive = alive * miss
    return total
