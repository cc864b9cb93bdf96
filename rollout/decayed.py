"""Growable rows of counts that fade as the policy moves on: the arithmetic under the statistics store. numpy only."""

from typing import Any

import numpy as np

from rollout.arrays import decode, encode, grown
from rollout.types import RolloutStat

SUCCESSES, FAILURES, TOKENS, TRUNCATED = range(4)


class DecayedCounts:
    """Row r holds ``sum_j discount**(version_r - v_j) * x_j`` over its groups j, with x = (successes, failures, tokens, truncated).

    Decay is applied when a row is touched or read, so one group costs O(1) and the order of arrival does not matter
    (methods/planner.md §4.1: on an update from v to v', s <- discount**(v' - v) * s, then add).
    """

    def __init__(self, discount: float) -> None:
        if not 0 < discount <= 1:
            raise ValueError(f"curriculum.discount is {discount}: it must lie in (0, 1]; 1 never forgets")
        self.discount = discount
        self.num_rows = 0
        self.sums = np.zeros((0, 4))
        """[capacity, 4] float64, decayed to ``version``."""
        self.version = np.zeros(0, dtype=np.int64)
        """[capacity] newest policy version in the row."""
        self.total = np.zeros(0, dtype=np.int64)
        """[capacity] rollouts ever counted, without decay."""

    def new_row(self) -> int:
        """Append an empty row; amortised O(1)."""
        row = self.num_rows
        self.num_rows += 1
        self.sums, self.version, self.total = (grown(a, self.num_rows) for a in (self.sums, self.version, self.total))
        return row

    def add(self, row: int, stat: RolloutStat) -> None:
        """Count one group, at the version of its oldest token."""
        counts = (stat.num_correct, stat.num_rollouts - stat.num_correct, stat.num_tokens, stat.num_truncated)
        age = int(self.version[row]) - stat.min_policy_version if self.total[row] else 0
        if age <= 0:
            self.sums[row] *= self.discount**-age
            self.version[row] = stat.min_policy_version
        self.sums[row] += self.discount ** max(age, 0) * np.asarray(counts, dtype=np.float64)
        self.total[row] += stat.num_rollouts

    def at(self, rows: np.ndarray, *, version: int) -> np.ndarray:
        """[K, 4] sums of rows [K], decayed to ``version``; rows < 0 are all zero."""
        known = rows >= 0
        out = np.zeros((len(rows), 4))
        held = rows[known]
        age = np.maximum(version - self.version[held], 0)
        out[known] = self.sums[held] * (self.discount ** age.astype(np.float64))[:, None]
        return out

    def state_dict(self) -> dict[str, Any]:
        """JSON-able, exact."""
        n = self.num_rows
        return {"sums": encode(self.sums[:n]), "version": encode(self.version[:n]), "total": encode(self.total[:n])}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what ``state_dict`` gave, bit for bit."""
        self.sums, self.version, self.total = (decode(state[name]) for name in ("sums", "version", "total"))
        self.num_rows = len(self.total)
