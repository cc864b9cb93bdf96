"""Where the next samples go when a budget is spent for a forecast at large k: on problems not yet solved.

A stopping rule that looks at outcomes only leaves the likelihood of the counts as it is, so ``forecast``
takes such counts as they are; c / n and the unbiased pass@k do not, and are biased by it.
"""

import numpy as np
from numpy.typing import ArrayLike

from planner.estimators.counts import checked


def next_problems(n: ArrayLike, c: ArrayLike, samples: int, *, enough: int = 1) -> np.ndarray:
    """[samples] problems to sample next, one sample each: those with fewer than ``enough`` successes, fewest
    attempts first.

    Problems with as few attempts come in index order, and a problem may come several times. With ``enough=1``
    and one sample at a time this is the rule of arXiv 2510.05197 (fewest successes, then fewest attempts)
    until every problem is solved once. Where every problem has enough, all take part again.

    Raises:
        ValueError: samples < 1 or enough < 1.
    """
    if samples < 1 or enough < 1:
        raise ValueError(f"samples is {samples} and enough {enough}: both must be 1 or more")
    trials, right = checked(n, c)
    open_ = np.flatnonzero(right < enough)
    active = open_ if open_.size else np.arange(len(trials))
    return active[_raise_lowest(trials[active], samples)]


def _raise_lowest(attempts: np.ndarray, samples: int) -> np.ndarray:
    """[samples] indices that raise the lowest attempts first, as water fills; a round at a time."""
    order = np.argsort(attempts, kind="stable")
    sorted_ = attempts[order].astype(np.int64)
    size = np.arange(1, len(order) + 1)
    # Filling the first j up to the level of the last of them costs this much.
    cost = sorted_ * size - np.cumsum(sorted_)
    filled = int(np.searchsorted(cost, samples, side="right"))
    level, rest = divmod(samples + int(sorted_[:filled].sum()), filled)
    wanted = np.full(filled, level, dtype=np.int64)
    wanted[np.argsort(order[:filled], kind="stable")[:rest]] += 1
    return np.repeat(order[:filled], wanted - sorted_[:filled])
