"""The sequential rule while it runs: which live queries draw next.

See docs/methods/allocation.md#sequential-allocation.
"""

import numpy as np
from numpy.typing import ArrayLike


class IndexPolicy:
    """Queries with posteriors, caps and what happened to them; accepted ones are retired.

    Example: draw in rounds of at most 64 samples until nothing is worth drawing::

        while len(rows := policy.next_round(64)):
            policy.record(rows, accepted=[verify(draw(row)) for row in rows])
    """

    def __init__(
        self, a: ArrayLike, b: ArrayLike, cost: ArrayLike, cap: ArrayLike, *, weight: ArrayLike = 1.0
    ) -> None:
        """All [n], or scalars beside a."""
        self._a = np.atleast_1d(np.asarray(a, dtype=np.float64))
        shape = self._a.shape
        self._b = np.broadcast_to(np.asarray(b, dtype=np.float64), shape)
        self._cost = np.broadcast_to(np.asarray(cost, dtype=np.float64), shape)
        self._weight = np.broadcast_to(np.asarray(weight, dtype=np.float64), shape)
        self._cap = np.broadcast_to(np.asarray(cap), shape)
        self.failures = np.zeros(shape, dtype=np.int64)
        """[n] attempts rejected so far."""
        self.accepted = np.zeros(shape, dtype=bool)
        """[n] retired by a success."""

    @property
    def index(self) -> np.ndarray:
        """[n] expected value per token of the next attempt: w a / ((a + b + failures) c); -inf where none may
        be made."""
        live = ~self.accepted & (self.failures < self._cap)
        value = self._weight * self._a / ((self._a + self._b + self.failures) * self._cost)
        return np.where(live, value, -np.inf)

    def next_round(self, limit: int | None = None) -> np.ndarray:
        """Live queries, largest index first, ties by place, at most ``limit``: one sample each."""
        index = self.index
        order = np.argsort(-index, kind="stable")
        return order[np.isfinite(index[order])][:limit]

    def record(self, rows: ArrayLike, accepted: ArrayLike) -> None:
        """The verifier's verdicts [r] on one sample of each query in ``rows`` [r]."""
        at, verdict = np.asarray(rows, dtype=np.int64), np.asarray(accepted, dtype=bool)
        if self.accepted[at].any():
            raise ValueError("rows: a query that was accepted draws no more")
        self.accepted[at[verdict]] = True
        self.failures[at[~verdict]] += 1
