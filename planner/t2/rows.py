"""Success counts of a family of checkpoints, as flat arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyRows:
    """J checkpoints, G categories, P problems, R rows: one for each (checkpoint, problem)."""

    params: np.ndarray
    """[J] N."""
    tokens: np.ndarray
    """[J] D."""
    post: np.ndarray
    """[J] 1 where post-trained, else 0."""
    categories: tuple[str, ...]
    checkpoint: np.ndarray
    """[R] index."""
    category: np.ndarray
    """[R] index."""
    problem: np.ndarray
    """[R] index; the same problem has the same one under every checkpoint."""
    n: np.ndarray
    """[R] samples."""
    c: np.ndarray
    """[R] of which right."""

    def of(self, chosen: Sequence[bool] | np.ndarray) -> "FamilyRows":
        """Only the checkpoints [J] that are True."""
        mask = np.asarray(chosen, dtype=bool)
        rows = mask[self.checkpoint]
        number = np.cumsum(mask) - 1
        return replace(
            self,
            params=self.params[mask],
            tokens=self.tokens[mask],
            post=self.post[mask],
            checkpoint=number[self.checkpoint[rows]],
            category=self.category[rows],
            problem=self.problem[rows],
            n=self.n[rows],
            c=self.c[rows],
        )

    @property
    def num_problems(self) -> int:
        """P."""
        return int(self.problem.max()) + 1

    def shares(self, weights: np.ndarray | None = None) -> np.ndarray:
        """[G] share of the problems in each category, under problem weights [P]."""
        w = np.ones(self.num_problems) if weights is None else weights
        where = np.zeros(self.num_problems, dtype=int)
        where[self.problem] = self.category
        counts = np.bincount(where, w, minlength=len(self.categories))
        return counts / counts.sum()
