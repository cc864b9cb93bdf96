"""Growable rows of counts that fade as the policy moves on: the arithmetic under the statistics store. numpy
only."""

from typing import Any

import numpy as np

from rollout.arrays import decode, encode, grown
from rollout.types import RolloutStat

SUCCESSES, FAILURES, TOKENS, TRUNCATED = range(4)
COLUMNS = ("sums", "version", "clock", "comparable", "total")


class DecayedCounts:
    """Row r holds ``sum_j discount**(version_r - v_j) * budget_discount**(clock_r - c_j) * x_j`` over its
    groups j.

    x = (successes, failures, tokens, truncated) by ``add``, or any ``width`` numbers by ``add_values``; v_j
    is the group's policy version, c_j its budget clock (see ``StatisticsStore``). Decay is applied when a row
    is touched or read, so one group costs O(1) and the order of arrival does not matter
    (docs/methods/stack.md#pass-rates: on an update from v to v', s <- discount**(v' - v) * s, then add).
    """

    def __init__(self, discount: float, budget_discount: float = 1.0, *, width: int = 4) -> None:
        for name, value in (("discount", discount), ("budget_discount", budget_discount)):
            if not 0 < value <= 1:
                raise ValueError(f"curriculum.{name} is {value}: it must lie in (0, 1]; 1 never forgets")
        self.discount = discount
        self.budget_discount = budget_discount
        self.num_rows = 0
        self.sums = np.zeros((0, width))
        """[capacity, width] float64, decayed to ``version``."""
        self.version = np.zeros(0, dtype=np.int64)
        """[capacity] newest policy version in the row."""
        self.clock = np.zeros(0)
        """[capacity] latest budget clock in the row."""
        self.comparable = np.zeros(0)
        """[capacity] rollouts, discounted by budget changes up to ``clock`` and by nothing else."""
        self.total = np.zeros(0, dtype=np.int64)
        """[capacity] rollouts ever counted, without decay."""

    def new_row(self) -> int:
        """Append an empty row; amortised O(1)."""
        row = self.num_rows
        self.num_rows += 1
        for name in COLUMNS:
            setattr(self, name, grown(getattr(self, name), self.num_rows))
        return row

    def add(self, row: int, stat: RolloutStat, *, clock: float = 0.0) -> None:
        """Count one group, at the version of its oldest token and the budget clock that it was drawn
        under."""
        counts = (stat.num_correct, stat.num_rollouts - stat.num_correct, stat.num_tokens, stat.num_truncated)
        self.add_values(row, np.asarray(counts, dtype=np.float64), stat, clock=clock)

    def add_values(self, row: int, values: np.ndarray, stat: RolloutStat, *, clock: float = 0.0) -> None:
        """Add ``values`` [width] of one group, with its version and its number of rollouts."""
        empty = not self.total[row]
        version = stat.min_policy_version if empty else max(int(self.version[row]), stat.min_policy_version)
        latest = clock if empty else max(float(self.clock[row]), clock)
        by_budget = self.budget_discount ** (latest - float(self.clock[row]))
        self.sums[row] *= self.discount ** (version - int(self.version[row])) * by_budget
        self.comparable[row] *= by_budget
        self.version[row], self.clock[row] = version, latest
        weight = self.budget_discount ** (latest - clock)
        self.sums[row] += self.discount ** (version - stat.min_policy_version) * weight * values
        self.comparable[row] += weight * stat.num_rollouts
        self.total[row] += stat.num_rollouts

    def at(self, rows: np.ndarray, *, version: int, clock: float = 0.0) -> np.ndarray:
        """[K, width] sums of rows [K], decayed to ``version`` and ``clock``; rows < 0 are all zero."""
        known = rows >= 0
        out = np.zeros((len(rows), self.sums.shape[1]))
        held = rows[known]
        age = np.maximum(version - self.version[held], 0)
        weight = self.discount ** age.astype(np.float64) * self._budget_weight(held, clock)
        out[known] = self.sums[held] * weight[:, None]
        return out

    def comparable_at(self, rows: np.ndarray, *, clock: float) -> np.ndarray:
        """[K] rollouts of rows [K], discounted by budget changes alone; rows < 0 are zero."""
        out = np.zeros(len(rows))
        known = rows >= 0
        out[known] = self.comparable[rows[known]] * self._budget_weight(rows[known], clock)
        return out

    def _budget_weight(self, rows: np.ndarray, clock: float) -> np.ndarray:
        return self.budget_discount ** np.maximum(clock - self.clock[rows], 0.0)

    def state_dict(self) -> dict[str, Any]:
        """JSON-able, exact."""
        n = self.num_rows
        return {name: encode(getattr(self, name)[:n]) for name in COLUMNS}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what ``state_dict`` gave, bit for bit."""
        for name in COLUMNS:
            setattr(self, name, decode(state[name]))
        self.num_rows = len(self.total)
