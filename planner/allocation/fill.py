"""The last tokens of a budget: the first purchase that does not fit is skipped, cheaper ones further down may
still fit.

See docs/methods/allocation.md#parallel-allocation.
"""

import heapq

import numpy as np

from planner.allocation.items import Items


def fill(items: Items, k: np.ndarray, left: float) -> None:
    """Spend ``left`` tokens in order of gain per token, skipping what does not fit; changes k in place.
    Deterministic."""
    while left > 0:
        cost = items.cost + np.where(k == 0, items.prefill, 0.0)
        rows = np.flatnonzero((cost <= left) & (k < items.k_max) & np.isfinite(items.log_value))
        if not rows.size:
            return
        spent = _one_pass(items, k, rows, left)
        if spent == 0:
            return
        left -= spent


def _one_pass(items: Items, k: np.ndarray, rows: np.ndarray, left: float) -> float:
    """Buy among ``rows`` until the best purchase does not fit (others may: next pass). Returns tokens
    spent."""
    price = _prices(items, k, rows)
    most = int(left / items.cost[rows].min()) + 1
    best = _largest(price, most)
    heap = [(-price[i], int(rows[i])) for i in best]
    heapq.heapify(heap)
    spent = 0.0
    while heap:
        _, query = heapq.heappop(heap)
        tokens = float(items.cost[query] + (items.prefill[query] if k[query] == 0 else 0.0))
        if spent + tokens > left:
            break
        spent += tokens
        k[query] += 1
        if k[query] < items.k_max:
            at = np.array([query])
            heapq.heappush(heap, (-float(_prices(items, k, at)[0]), query))
    return spent


def _prices(items: Items, k: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Log gain per token of the next sample; a first one pays its prefill."""
    price = items.next_price(k[rows], rows)
    opening = np.where(k[rows] == 0, items.prefill[rows], 0.0)
    return price - np.log1p(opening / items.cost[rows])


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Indices of the ``count`` largest values, ties by index."""
    if count >= len(values):
        return np.arange(len(values))
    threshold = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > threshold)
    ties = np.flatnonzero(values == threshold)[: count - len(above)]
    return np.concatenate([above, ties])
