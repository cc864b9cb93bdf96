"""Which prompts were screened and found mixed, and wait to be continued: what SPEED's two parts remember.

See docs/methods/allocators.md#speed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from curricula.base import Ctx
from rollout.types import RolloutStat


class Screening:
    """A prompt's first group is its screening; if both outcomes came up it waits, and its next group is its
    continuation."""

    def __init__(self) -> None:
        self._waiting: set[int] = set()
        self._newest: list[int] = []

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Take in the groups of a plan, in order."""
        self._newest = []
        for stat in stats:
            index = ctx.store.index_of(stat.prompt_id)
            if index in self._waiting:
                self._waiting.remove(index)
            elif 0 < stat.num_correct < stat.num_rollouts:
                self._waiting.add(index)
                self._newest.append(index)

    def newest(self) -> np.ndarray:
        """[J] int64 prompts found mixed in the plan observed last."""
        return np.array(self._newest, dtype=np.int64)

    def is_waiting(self, indices: np.ndarray) -> np.ndarray:
        """[K] bool."""
        return np.array([index in self._waiting for index in indices.tolist()], dtype=bool)

    def state_dict(self) -> dict[str, Any]:
        """JSON-able, exact."""
        return {"waiting": sorted(self._waiting), "newest": list(self._newest)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._waiting, self._newest = set(state["waiting"]), list(state["newest"])
