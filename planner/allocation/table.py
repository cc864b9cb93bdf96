"""Allocation where the value of more samples has no closed form or is not concave: majority votes, verifiers
that err.

Values are tables over k. What is bought are the steps of the least concave majorant of (expected tokens,
value), so a query whose first samples are worth little alone (a vote) is opened with as many as make it worth
it.

See docs/methods/allocation.md#imperfect-verifiers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

NOT_DRAWN = 1e-12
"""Expected further samples that are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableAllocation:
    """How many samples (or at most how many, where a query may stop early) each query gets."""

    k: np.ndarray
    """[n] int64."""
    price: float
    """Value per token of the least valuable step bought; infinite if none was."""
    tokens: float
    """Expected; at most the budget."""


def allocate_table(
    values: np.ndarray,
    samples: np.ndarray,
    rows: ArrayLike,
    cost: ArrayLike,
    budget: float,
    *,
    weight: ArrayLike = 1.0,
) -> TableAllocation:
    """Divide ``budget`` expected tokens over n queries, best value per token first; ties go to the query that
    stands first.

    Args:
        values: [U, K] value of 1..K samples, one row for each kind of query; 0 samples are worth 0.
        samples: [U, K] samples drawn in expectation, increasing along K.
        rows: [n] kind of each query.
        cost: [n] or scalar, tokens of a sample.
        budget: tokens.
        weight: [n] or scalar.
    """
    kinds = np.asarray(rows, dtype=np.int64)
    costs = np.broadcast_to(np.asarray(cost, dtype=np.float64), kinds.shape)
    weights = np.broadcast_to(np.asarray(weight, dtype=np.float64), kinds.shape)
    steps = [_steps(v, s) for v, s in zip(values, samples, strict=True)]
    count = np.array([len(ends) for ends, _, _ in steps])[kinds]
    query = np.repeat(np.arange(len(kinds)), count)
    ends, slope, drawn = (np.concatenate([steps[kind][i] for kind in kinds]) for i in range(3))
    price, tokens = weights[query] * slope / costs[query], drawn * costs[query]
    order = np.lexsort((ends, query, -price))
    bought = order[_affordable(query[order], tokens[order], budget)]
    k = np.zeros(len(kinds), dtype=np.int64)
    np.maximum.at(k, query[bought], ends[bought].astype(np.int64))
    lowest = float(price[bought].min()) if bought.size else float("inf")
    return TableAllocation(k=k, price=lowest, tokens=float(tokens[bought].sum()))


def _steps(values: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps of the majorant that gain something: k at their end, value per sample, samples; each [s], slopes
    falling."""
    gain, drawn = np.diff(values, prepend=0.0), np.diff(samples, prepend=0.0)
    # Where a vote is settled long before, the next sample is not drawn any more, but for rounding.
    settled = drawn <= NOT_DRAWN
    if settled.any():
        end = int(np.argmax(settled))
        gain, drawn, samples = gain[:end], drawn[:end], samples[:end]
    # The slopes of a least concave majorant are the antitonic regression of the increments' slopes, weighted
    # by their widths.
    slope = isotonic_regression(gain / drawn, weights=drawn, increasing=False).x
    last = np.flatnonzero(np.append(~np.isclose(np.diff(slope), 0.0, atol=1e-15), True))
    last = last[slope[last] > 1e-15]
    width = np.diff(np.concatenate([[0.0], samples[last]]))
    return last + 1.0, slope[last], width


def _affordable(query: np.ndarray, tokens: np.ndarray, budget: float) -> np.ndarray:
    """Indices of steps, in order, that fit; a query whose step does not fit gets no later one."""
    fits = np.cumsum(tokens) <= budget
    first = len(tokens) if fits.all() else int(np.argmin(fits))
    taken = list(range(first))
    left, closed = budget - float(tokens[:first].sum()), set[int]()
    for i in range(first, len(tokens)):
        if int(query[i]) in closed:
            continue
        if tokens[i] <= left:
            taken.append(i)
            left -= float(tokens[i])
        else:
            closed.add(int(query[i]))
    return np.array(taken, dtype=np.int64)
