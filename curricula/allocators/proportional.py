"""Integers in proportion to weights, within a floor and a cap, that sum to a budget exactly. Pure
functions.

See docs/methods/allocators.md#cures-allocation.
"""

import numpy as np

from curricula.allocators.knapsack_solver import check_budget


def proportional_split(weights: np.ndarray, *, budget: int, floor: int, cap: int, name: str) -> np.ndarray:
    """[K] int64 in [floor, cap] with sum ``budget``: the floor, and of the rest shares in proportion to
    weights [K] >= 0.

    What a cap cuts off is shared among the others again; remainders go to the largest fractions, then to the
    first prompts. Weights that are all 0 count as equal.

    Raises:
        ValueError: naming the allocator, if the budget lies outside [K * floor, K * cap].
    """
    check_budget(len(weights), budget=budget, floor=floor, cap=cap, name=name)
    shares, room = np.zeros(len(weights)), float(cap - floor)
    left = float(budget - floor * len(weights))
    is_open = np.ones(len(weights), dtype=bool)
    while left > 0 and is_open.any():
        weight = np.where(is_open, weights, 0.0)
        if not weight.sum() > 0:
            weight = is_open.astype(np.float64)
        shares[is_open] = (left * weight / weight.sum())[is_open]
        full = is_open & (shares >= room)
        if not full.any():
            break
        shares[full] = room
        is_open &= ~full
        left = float(budget - floor * len(weights)) - room * int((~is_open).sum())
    return floor + _largest_remainder(shares, total=budget - floor * len(weights), room=cap - floor)


def _largest_remainder(shares: np.ndarray, *, total: int, room: int) -> np.ndarray:
    """[K] int64 next to the shares [K], at most ``room``, with sum ``total``."""
    # A share that is a whole number up to rounding must not lose a unit to floor().
    counts = np.minimum(np.floor(shares + 1e-9), room).astype(np.int64)
    order = np.argsort(-(shares - counts), kind="stable")
    while (missing := total - int(counts.sum())) > 0:
        open_to = order[counts[order] < room][:missing]
        counts[open_to] += 1
    assert int(counts.sum()) == total, "the shares sum to more than the total"
    return counts
