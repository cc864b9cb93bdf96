"""The last few visits of each prompt, for pass rates that read raw recent outcomes instead of decayed sums.
numpy only."""

from typing import Any

import numpy as np

from rollout.arrays import decode, encode, grown

NUM_VISITS = 8
"""Visits kept for each row: groups of two or more always fill a window of 16 rollouts."""


class VisitBuffer:
    """A ring of (rollouts, successes) of the latest ``NUM_VISITS`` groups, for every row of a store."""

    def __init__(self) -> None:
        self.outcomes = np.zeros((0, NUM_VISITS, 2), dtype=np.int32)
        """[capacity, NUM_VISITS, 2]: rollouts and successes; visit j lies in slot j % NUM_VISITS."""
        self.count = np.zeros(0, dtype=np.int64)
        """[capacity] visits ever."""
        self.clocks = np.zeros((0, NUM_VISITS))
        """[capacity, NUM_VISITS] budget clock of each visit."""

    def add(self, row: int, *, num_rollouts: int, num_correct: int, clock: float = 0.0) -> None:
        """Append one visit, forgetting the oldest if the ring is full."""
        self.outcomes, self.count, self.clocks = (
            grown(a, row + 1) for a in (self.outcomes, self.count, self.clocks)
        )
        self.outcomes[row, self.count[row] % NUM_VISITS] = num_rollouts, num_correct
        self.clocks[row, self.count[row] % NUM_VISITS] = clock
        self.count[row] += 1

    def pass_rate(self, rows: np.ndarray, *, window: int, budget_discount: float = 1.0) -> np.ndarray:
        """[K] mean outcome of the latest visit, or, if it has fewer than ``window`` rollouts, of the
        ``window`` most recent ones.

        ``window=0`` reads the latest visit alone. Rollouts of a visit are exchangeable, so one that does not
        fit whole counts with its own mean. Rows < 0 give NaN. (Knapsack RL, arXiv 2509.25849, released code:
        ``reward_buffer_length=16``.) Visits weigh ``budget_discount ** (clock of the row's latest - clock of
        the visit)``, so that what was drawn under another length budget gives way as soon as there is
        something newer.
        """
        out = np.full(len(rows), np.nan)
        known = rows >= 0
        held = rows[known]
        age = np.arange(NUM_VISITS)
        newest_first = (self.count[held][:, None] - 1 - age) % NUM_VISITS
        visits = np.take_along_axis(self.outcomes[held], newest_first[:, :, None], axis=1).astype(np.float64)
        n = np.where(age < self.count[held][:, None], visits[:, :, 0], 0.0)
        room = np.maximum(window, n[:, 0])[:, None] - (np.cumsum(n, axis=1) - n)
        taken = np.clip(room, 0.0, n)
        rate = visits[:, :, 1] / np.maximum(n, 1.0)
        clocks = np.take_along_axis(self.clocks[held], newest_first, axis=1)
        # A late visit may carry an earlier clock than the one before it; none counts for more than 1.
        latest = np.where(n > 0, clocks, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
        weight = taken * budget_discount ** np.where(n > 0, latest - clocks, 0.0)
        out[known] = (weight * rate).sum(axis=1) / weight.sum(axis=1)
        return out

    def state_dict(self, num_rows: int) -> dict[str, Any]:
        """JSON-able, exact."""
        return {name: encode(getattr(self, name)[:num_rows]) for name in ("outcomes", "count", "clocks")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self.outcomes, self.count, self.clocks = (
            decode(state[name]) for name in ("outcomes", "count", "clocks")
        )
