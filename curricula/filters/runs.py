"""How often in a row each prompt came out the same extreme way: the memory of parts that skip prompts before
rollout.

See docs/methods/filters.md#greso.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from curricula.base import Ctx
from rollout.arrays import decode, encode
from rollout.types import RolloutStat


class ExtremeRuns:
    """For each prompt of the pool: the length of the trailing run of easy (+) or hard (-) visits, and the
    step of the last visit.

    A visit between the thresholds ends a run. 12 bytes a prompt; saved for visited prompts alone.
    """

    def __init__(self, *, easy: float, hard: float) -> None:
        """Visits with a pass rate >= ``easy`` or <= ``hard`` are extreme."""
        self._easy, self._hard = easy, hard
        self._run = np.zeros(0, dtype=np.int32)
        self._last = np.zeros(0, dtype=np.int64)

    def add(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> np.ndarray:
        """Take in the groups of a plan; [len(stats)] int8: 1 easy, -1 hard, 0 neither."""
        self._fit(len(ctx.pool))
        kinds = np.zeros(len(stats), dtype=np.int8)
        for place, stat in enumerate(stats):
            rate = stat.num_correct / stat.num_rollouts
            kind = int(rate >= self._easy) - int(rate <= self._hard)
            index = ctx.store.index_of(stat.prompt_id)
            run = int(self._run[index])
            self._run[index] = run + kind if kind and run * kind >= 0 else kind
            self._last[index] = ctx.step
            kinds[place] = kind
        return kinds

    def at(self, ctx: Ctx, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[K] signed run lengths and [K] steps since the last visit (-1 if there was none)."""
        if not len(self._run):
            return np.zeros(len(indices), dtype=np.int32), np.full(len(indices), -1)
        last = self._last[indices]
        return self._run[indices], np.where(last < 0, -1, ctx.step - last)

    def lengths(self) -> np.ndarray:
        """All signed run lengths."""
        return self._run

    def state_dict(self) -> dict[str, Any]:
        """JSON-able, exact."""
        visited = np.flatnonzero(self._last >= 0)
        index, run, last = (encode(column) for column in (visited, self._run[visited], self._last[visited]))
        return {"size": len(self._last), "index": index, "run": run, "last": last}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._run, self._last = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)
        self._fit(state["size"])
        visited = decode(state["index"])
        self._run[visited], self._last[visited] = decode(state["run"]), decode(state["last"])

    def _fit(self, size: int) -> None:
        if len(self._run) < size:
            self._run, self._last = np.zeros(size, dtype=np.int32), np.full(size, -1, dtype=np.int64)
