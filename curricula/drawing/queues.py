"""Prompts in a random order that is worked out only as far as it is asked for. numpy only."""

from typing import Protocol

import numpy as np

SPARE = 256
"""Places ranked beyond what was asked for, so that a plan that passes over a few prompts need not rank
again."""


class Queue(Protocol):
    """Prompts of one category, or of the whole pool, in the order in which they come."""

    left: int
    """Prompts not taken yet."""

    def take(self, count: int) -> np.ndarray:
        """[count] int64 next pool indices, ``count`` at most ``left``."""
        ...


class Shuffled:
    """Equal weights: O(count) for each ``take`` until half of the prompts are gone."""

    def __init__(
        self, rng: np.random.Generator, members: np.ndarray | None, *, size: int, out: np.ndarray
    ) -> None:
        """Prompts ``members`` [ascending], or all ``size`` of the pool if None, without those at ``out``
        [ascending]."""
        self._rng, self._members = rng, members
        self._size = size if members is None else len(members)
        places = (
            out
            if members is None
            else np.flatnonzero(np.isin(members, out, assume_unique=True))
            if out.size
            else out
        )
        self._gone: set[int] = set(places.tolist())
        self.left = self._size - len(self._gone)

    def take(self, count: int) -> np.ndarray:
        """Positions are drawn until enough of them are new, which is a draw without replacement."""
        picked: list[int] = []
        if 2 * (len(self._gone) + count) > self._size:
            rest = np.setdiff1d(
                np.arange(self._size), np.fromiter(self._gone, dtype=np.int64, count=len(self._gone))
            )
            picked = self._rng.permutation(rest)[:count].tolist()
            self._gone.update(picked)
        while len(picked) < count:
            for place in self._rng.integers(self._size, size=count - len(picked)).tolist():
                if place not in self._gone:
                    self._gone.add(place)
                    picked.append(place)
        self.left -= count
        places = np.array(picked, dtype=np.int64)
        return places if self._members is None else self._members[places].astype(np.int64)


class Ranked:
    """Ascending by key: O(prompts) for the first ``take``, then O(count) while what was ranked ahead
    lasts."""

    def __init__(self, keys: np.ndarray, members: np.ndarray | None) -> None:
        """Prompts ``members`` of pool-wide keys [P], or all if None; NaN marks prompts that never come.
        ``keys`` is only read."""
        self._pool_keys, self._members = keys, members
        self._keys: np.ndarray | None = None
        self.left = int(np.count_nonzero(~np.isnan(keys if members is None else keys[members])))
        self._ranked = np.zeros(0, dtype=np.int64)

    def take(self, count: int) -> np.ndarray:
        """The smallest keys first."""
        if count > len(self._ranked):
            self._rank(count)
        places, self._ranked = self._ranked[:count], self._ranked[count:]
        self.left -= count
        return places if self._members is None else self._members[places].astype(np.int64)

    def _rank(self, count: int) -> None:
        """Rank ``count`` more and some to spare; what was ranked and not taken yet stays in front."""
        if self._keys is None:
            self._keys = self._pool_keys.copy() if self._members is None else self._pool_keys[self._members]
        more = min(self.left - len(self._ranked), 2 * count + SPARE)
        ahead = np.argpartition(self._keys, more - 1)[:more]
        ahead = ahead[np.argsort(self._keys[ahead], kind="stable")]
        self._keys[ahead] = np.nan
        self._ranked = np.concatenate([self._ranked, ahead])
