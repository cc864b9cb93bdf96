"""Where a forecast meets what was measured: one curve that never falls and never bends upwards.

pass@k of any set of problems rises with k, by less each time. Up to the smallest n the unbiased figures do so
by construction. A model of difficulty need not pass through the last of them: it may lie above it (a jump) or
below (a fall). The joint curve is the model, changed as little as that allows:

* below the last measured point: the smallest concave curve over both, which leaves the point along its
  tangent to the model;
* nowhere above the straight line that goes on as the last two measured points do, since no concave curve is.

Far from n it is the model itself, unless that line is in the way.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planner.estimators.pass_at_k import pass_at_k
from planner.forecast.grid import LOG_Q, cell_pass_at_k

FARTHEST = 1e12
"""Samples at which a model that is still below the last measured point is taken to stay there."""
_HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The end of the unbiased part."""

    n: np.ndarray
    c: np.ndarray
    last: int
    """Largest k that is measured: the smallest n."""
    value: float
    """pass@last."""
    slope: float
    """Gain by the last sample."""

    def at(self, k: float) -> float:
        """Unbiased pass@k for 1 <= k <= last, on a straight line between whole k."""
        below = int(np.floor(k))
        low = _mean(self.n, self.c, below)
        return low if below == k else low + (k - below) * (_mean(self.n, self.c, below + 1) - low)


def measured(n: np.ndarray, c: np.ndarray) -> Measured | None:
    """Return what counts n, c [M] measure; None where a problem was never sampled."""
    last = int(n.min())
    if last < 1:
        return None
    value = _mean(n, c, last)
    return Measured(
        n=n, c=c, last=last, value=value, slope=value - (_mean(n, c, last - 1) if last > 1 else 0.0)
    )


def joined(end: Measured | None, difficulty: np.ndarray) -> Callable[[float], float]:
    """pass@k at any k: measured up to ``end.last``, then the model of ``difficulty`` [G] (weights over the
    grid) joined to it."""

    def model(k: float) -> float:
        return float(difficulty @ cell_pass_at_k(k))

    if end is None:
        return model
    touch = _tangent(end, difficulty) if model(end.last) < end.value else end.last

    def curve(k: float) -> float:
        if k <= end.last:
            return end.at(k)
        if touch is None:
            concave = end.value
        elif k >= touch:
            concave = model(k)
        else:
            concave = end.value + (k - end.last) / (touch - end.last) * (model(touch) - end.value)
        return min(concave, end.value + (k - end.last) * end.slope)

    return curve


def _tangent(end: Measured, difficulty: np.ndarray) -> float | None:
    """Where the line from the last measured point touches the model, by bisection in log k; None where the
    model stays below it."""

    def touches_farther_left(k: float) -> bool:
        """True if the model's tangent at k passes below the point: it touches farther left."""
        gradient = float(difficulty @ (-LOG_Q * np.exp(k * LOG_Q)))
        return float(difficulty @ cell_pass_at_k(k)) - gradient * (k - end.last) >= end.value

    if not touches_farther_left(FARTHEST):
        return None
    low, high = np.log(end.last), np.log(FARTHEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if touches_farther_left(float(np.exp(middle))):
            high = middle
        else:
            low = middle
    return float(np.exp(high))


def _mean(n: np.ndarray, c: np.ndarray, k: int) -> float:
    return float(pass_at_k(n, c, k).mean())
