"""Parallel allocation: all samples drawn at once, best gain per token first.

The gains of a query decrease, so taking them in order of gain per token is optimal wherever the order spends
the budget exactly; else the gap to the knapsack optimum is at most the gain of the first item that did not
fit. A heap would do it one sample at a time; here the price per token at which the budget is spent is found
first, from a part of the queries, and only the items near it are put in order.

See docs/methods/allocation.md#parallel-allocation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from planner.allocation.fill import fill
from planner.allocation.items import Items

K_MAX = 1024
_SAMPLE = 20_000
_BAND = 0.04
"""Width, in log price, of the band whose items are put in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelAllocation:
    """How many samples each query gets."""

    k: np.ndarray
    """[n] int64."""
    price: float
    """Gain per token of the least valuable sample bought (the shadow price lambda); infinite if none was
    bought."""
    tokens: float
    """Spent, prefill included: at most the budget."""
    coverage: np.ndarray
    """[n] expected pass@k."""


def allocate_parallel(
    a: ArrayLike,
    b: ArrayLike,
    cost: ArrayLike,
    budget: float,
    *,
    weight: ArrayLike = 1.0,
    prefill: ArrayLike = 0.0,
    k_min: ArrayLike = 0,
    k_max: int = K_MAX,
) -> ParallelAllocation:
    """Divide ``budget`` tokens over n queries; ties go to the query that stands first.

    Args:
        a: [n] posterior successes, > 0.
        b: [n] posterior failures, > 0.
        cost: [n] or scalar, expected tokens of one sample, > 0.
        budget: tokens.
        weight: [n] or scalar, value of a solved query, >= 0.
        prefill: [n] or scalar, tokens paid once, with a query's first sample. A query is then opened with as
            many samples as make its first purchase the best per token (the concave hull of its value).
        k_min: [n] or scalar, samples bought first, whatever they are worth (cold start).
        k_max: cap on k.

    Raises:
        ValueError: a posterior or cost that is not positive, or a budget that does not pay ``k_min``.
    """
    items = Items.of(a, b, cost, weight=weight, prefill=prefill, k_max=k_max)
    k = np.minimum(np.broadcast_to(np.asarray(k_min, dtype=np.int64), items.a.shape), k_max).copy()
    forced = float(items.tokens(k).sum())
    if forced > budget:
        raise ValueError(
            f"budget: {budget:g} tokens do not pay the {forced:g} of the samples that every query gets"
            " (k_min)"
        )
    items.floor = k.copy()
    k = _by_price(items, k, budget)
    left = budget - float(items.tokens(k).sum())
    fill(items, k, left)
    return ParallelAllocation(
        k=k, price=items.lowest_price(k), tokens=float(items.tokens(k).sum()), coverage=items.coverage(k)
    )


def _by_price(items: Items, k: np.ndarray, budget: float) -> np.ndarray:
    """Samples bought in order of gain per token until the first that does not fit."""
    all_of_it = np.where(np.isfinite(items.log_value), items.k_max, k)
    if float(items.tokens(all_of_it).sum()) <= budget:
        return all_of_it
    log_price = _price_near(items, budget)
    margin = _BAND / 2
    k = items.counts(log_price + margin)
    while float(items.tokens(k).sum()) > budget:  # the part of the queries that set the price was not typical
        log_price, margin = log_price + margin, 2 * margin
        k = items.counts(log_price + margin)
    top = log_price + margin
    while True:  # ends: not everything fits
        left = budget - float(items.tokens(k).sum())
        query, tokens, after = items.between(k, top - _BAND, top)
        affordable = np.cumsum(tokens) <= left
        count = len(query) if affordable.all() else int(np.argmin(affordable))
        np.maximum.at(k, query[:count], after[:count])
        if count < len(query):
            return k
        top -= _BAND


def _price_near(items: Items, budget: float) -> float:
    """Log price at which about ``budget`` is spent, from at most ``_SAMPLE`` queries."""
    size = len(items.a)
    part = items
    if size > _SAMPLE:
        part = items.take(np.sort(np.random.default_rng(0).choice(size, _SAMPLE, replace=False)))
    share = budget * len(part.a) / size
    high, low = float(items.opening.max()) + _BAND, part.bottom()
    while high - low > _BAND / 8:
        middle = (low + high) / 2
        if float(part.tokens(part.counts(middle)).sum()) > share:
            low = middle
        else:
            high = middle
    return high
