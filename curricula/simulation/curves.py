"""Numbers that change over training, one curve a prompt: a constant, or values at equal distances from first
step to last."""

from collections.abc import Sequence

import numpy as np


class Curves:
    """P curves of any number of points each, read at a training progress in [0, 1] by linear
    interpolation."""

    def __init__(self, values: Sequence[Sequence[float]]) -> None:
        """Every curve has at least one point; the first is read at progress 0, the last at 1, one alone
        everywhere."""
        counts = np.array([len(points) for points in values], dtype=np.int64)
        assert counts.size and counts.min() >= 1, "every curve needs a point"
        self._last = counts - 1
        self._first = np.cumsum(counts) - counts
        self._flat = np.concatenate([np.asarray(points, dtype=np.float64) for points in values])

    def at(self, indices: np.ndarray, *, progress: float) -> np.ndarray:
        """[K] values of curves [K]."""
        first, last = self._first[indices], self._last[indices]
        position = min(max(progress, 0.0), 1.0) * last
        below = np.floor(position).astype(np.int64)
        share = position - below
        return (1 - share) * self._flat[first + below] + share * self._flat[
            first + np.minimum(below + 1, last)
        ]
