"""A shuffled list for each category, walked through from plan to plan and shuffled again at its end. numpy
only."""

import functools
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from curricula.pool import PromptPool


@dataclass(slots=True)
class Walks:
    """How far each category's list was walked: the state behind ``Walked`` queues."""

    seed: int
    positions: dict[str, int] = field(default_factory=dict)
    """Category -> prompts passed since the run's start."""

    def queues(self, pool: PromptPool, *, out: np.ndarray) -> list["Walked"]:
        """One queue for each category, which moves ``positions`` on; prompts ``out`` [ascending] do not
        come."""
        return [
            Walked(self, name, members=members, out=out)
            for name, members in zip(pool.category_names, pool.by_category, strict=True)
        ]

    def state_dict(self) -> dict[str, int]:
        """Positions by category."""
        return dict(self.positions)

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Restore what ``state_dict`` gave."""
        self.positions = dict(state)


class Walked:
    """The next prompts of one category's list: every prompt once in an epoch, each epoch in an order of its
    own.

    A prompt that is out, because the plan has it already from the end of the last epoch, is passed over until
    the next one.
    """

    def __init__(self, walks: Walks, name: str, *, members: np.ndarray, out: np.ndarray) -> None:
        """Prompts ``members`` of the category ``name`` without those ``out`` [both ascending]."""
        self._walks, self._name, self._members = walks, name, members
        self._gone = set(np.intersect1d(members, out, assume_unique=True).tolist())
        self.left = len(members) - len(self._gone)

    def take(self, count: int) -> np.ndarray:
        """[count] int64 next pool indices, ``count`` at most ``left``."""
        picked: list[int] = []
        position = self._walks.positions.get(self._name, 0)
        while len(picked) < count:
            epoch, place = divmod(position, len(self._members))
            index = int(self._members[_order(self._walks.seed, self._name, epoch, len(self._members))[place]])
            position += 1
            if index not in self._gone:
                self._gone.add(index)
                picked.append(index)
        self._walks.positions[self._name] = position
        self.left -= count
        return np.array(picked, dtype=np.int64)


@functools.lru_cache(maxsize=128)
def _order(seed: int, name: str, epoch: int, size: int) -> np.ndarray:
    """[size] a permutation that the arguments alone decide."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), epoch]).permutation(size)
