"""Group mode: one k for each category, for servers that cannot treat queries of a category differently.

See docs/methods/allocation.md#parallel-allocation.
"""

import numpy as np
from numpy.typing import ArrayLike

from planner.allocation.parallel import K_MAX, ParallelAllocation, allocate_parallel


def allocate_groups(
    groups: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    cost: ArrayLike,
    budget: float,
    *,
    weight: ArrayLike = 1.0,
    k_max: int = K_MAX,
) -> ParallelAllocation:
    """Divide ``budget`` over queries so that all of one group get the same k.

    A group is one query with the weight and the cost of all its members; it buys a whole round at a time.

    Args:
        groups: [n] index of each query's group, 0..G-1.
        a: [G] prior successes of a group.
        b: [G] prior failures.
        cost: [n] or scalar, tokens of a sample.
        budget: tokens.
        weight: [n] or scalar.
        k_max: cap.

    Returns:
        k and coverage for each query [n].
    """
    codes = np.asarray(groups, dtype=np.int64)
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    count = len(a)
    costs = np.bincount(
        codes, weights=np.broadcast_to(np.asarray(cost, dtype=np.float64), codes.shape), minlength=count
    )
    weights = np.bincount(
        codes, weights=np.broadcast_to(np.asarray(weight, dtype=np.float64), codes.shape), minlength=count
    )
    present = np.flatnonzero(np.bincount(codes, minlength=count))
    chosen = allocate_parallel(
        a[present], b[present], costs[present], budget, weight=weights[present], k_max=k_max
    )
    place = np.full(count, -1)
    place[present] = np.arange(len(present))
    rows = place[codes]
    return ParallelAllocation(
        k=chosen.k[rows], price=chosen.price, tokens=chosen.tokens, coverage=chosen.coverage[rows]
    )
