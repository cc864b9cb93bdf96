"""Success counts of the Pythia checkpoints as arrays, one benchmark at a time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.special import gammaln

from planner.t2.rows import FamilyRows

FILE = "pythia_learning_trajectories.jsonl"
LEAST_TOKENS, READABLE = 2e9, 10
SIZES = {
    "Pythia 14M": (1_189_888, 6_438_912),
    "Pythia 70M": (18_915_328, 25_755_648),
    "Pythia 160M": (85_056_000, 38_633_472),
    "Pythia 410M": (302_311_424, 51_511_296),
    "Pythia 1B": (805_736_448, 103_022_592),
    "Pythia 1.4B": (1_208_602_624, 103_022_592),
    "Pythia 2.8B": (2_517_652_480, 128_778_240),
    "Pythia 6.9B": (6_444_163_072, 206_569_472),
    "Pythia 12B": (11_327_027_200, 259_522_560),
}
"""(weights outside both embeddings, weights of one embedding): Biderman et al., arXiv 2304.01373."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """J cells (size, checkpoint) on P problems of one benchmark."""

    names: tuple[str, ...]
    params: np.ndarray
    """[J] N."""
    tokens: np.ndarray
    """[J] D."""
    n: np.ndarray
    """[J, P] samples."""
    c: np.ndarray
    """[J, P] of which right."""

    @property
    def ratios(self) -> np.ndarray:
        """[J] D/N."""
        return self.tokens / self.params

    @property
    def readable(self) -> np.ndarray:
        """[J] True with enough successes for a rate to be read off."""
        return self.c.sum(axis=1) >= READABLE

    def of(self, chosen: np.ndarray) -> "Cells":
        """The cells [J] that are True."""
        names = tuple(name for name, keep in zip(self.names, chosen, strict=True) if keep)
        return Cells(
            names=names,
            params=self.params[chosen],
            tokens=self.tokens[chosen],
            n=self.n[chosen],
            c=self.c[chosen],
        )

    def with_absent(self, count: int) -> "Cells":
        """``count`` problems more that no cell solved, each with the cell's median number of samples."""
        n = np.repeat(np.median(self.n, axis=1).astype(int)[:, None], count, axis=1)
        return replace(self, n=np.hstack([self.n, n]), c=np.hstack([self.c, np.zeros_like(n)]))

    def rows(self) -> FamilyRows:
        """As the family surface takes them: one category, no post-training."""
        cell, problem = (x.ravel() for x in np.mgrid[: len(self.names), : self.n.shape[1]])
        return FamilyRows(
            params=self.params,
            tokens=self.tokens,
            post=np.zeros(len(self.names)),
            categories=("all",),
            checkpoint=cell,
            category=np.zeros_like(cell),
            problem=problem,
            n=self.n.ravel(),
            c=self.c.ravel(),
        )

    def passed(self, k: np.ndarray | float) -> np.ndarray:
        """[J, P] unbiased pass@k, k a number or [J]; a problem with fewer than k samples is read at its n."""
        samples = np.minimum(np.broadcast_to(np.round(k), len(self.names))[:, None], self.n)
        wrong = self.n - self.c
        left = np.maximum(wrong - samples, 0)
        missed = gammaln(wrong + 1) - gammaln(left + 1) - gammaln(self.n + 1) + gammaln(self.n - samples + 1)
        exact = np.where(wrong >= samples, -np.expm1(missed), 1.0)
        # The differences of large log-gammas lose what a count of 1 in a million has to say.
        return np.where(self.c == 0, 0.0, np.where(samples == 1, self.c / self.n, exact))


def load(folder: Path, *, embedding: bool = True, benchmarks: Sequence[str] = ()) -> dict[str, Cells]:
    """Cells of each benchmark in the file, smallest N first.

    Args:
        folder: holds ``pythia_learning_trajectories.jsonl``.
        embedding: N counts the output matrix too.
        benchmarks: only these; all unless given.

    Raises:
        FileNotFoundError: the file is not there.
    """
    found: dict[str, dict[tuple[str, float], dict[int, tuple[int, int]]]] = {}
    for line in (folder / FILE).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        cells = found.setdefault(row["benchmark"], {})
        for point in row["checkpoints"]:
            key = (row["model"], float(point["train_tokens"]))
            cells.setdefault(key, {})[row["problem_idx"]] = (point["n"], point["correct"])
    return {
        name: _arrays(cells, embedding)
        for name, cells in found.items()
        if not benchmarks or name in benchmarks
    }


def _arrays(cells: dict[tuple[str, float], dict[int, tuple[int, int]]], embedding: bool) -> Cells:
    kept = sorted(key for key in cells if key[1] >= LEAST_TOKENS)
    kept.sort(key=lambda key: (SIZES[key[0]][0], key[1]))
    problems = sorted(set.intersection(*(set(cells[key]) for key in kept)))
    counts = np.array([[cells[key][problem] for problem in problems] for key in kept])
    body, output = (np.array([SIZES[model][i] for model, _ in kept], dtype=float) for i in (0, 1))
    return Cells(
        names=tuple(f"{model.removeprefix('Pythia ')} at {tokens / 1e9:g}B" for model, tokens in kept),
        params=body + output * embedding,
        tokens=np.array([tokens for _, tokens in kept]),
        n=counts[..., 0],
        c=counts[..., 1],
    )
