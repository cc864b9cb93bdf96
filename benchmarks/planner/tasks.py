"""Tasks with many recorded outcomes each: what an allocation is tried on without sampling anything anew."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from planner.estimators.pass_at_k import pass_at_k

DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """Columns [T] over tasks: a problem, as one policy sees it."""

    name: str
    n: np.ndarray
    """Recorded samples."""
    c: np.ndarray
    """Of which right."""
    tokens: np.ndarray
    """Of a sample: the mean of the recorded ones; 1 where lengths were not published."""
    category: np.ndarray
    """What a prior is fitted to: the model, or the task's category."""
    problem: np.ndarray
    """Unit of resampling: tasks of one problem are not independent."""

    def split(self, probe: int, rng: np.random.Generator) -> tuple[np.ndarray, "Tasks"]:
        """Right answers [T] among ``probe`` samples of each task, and the tasks with the outcomes that are
        left."""
        right = rng.hypergeometric(self.c, self.n - self.c, probe) if probe else np.zeros_like(self.c)
        left = {name: getattr(self, name) for name in ("name", "tokens", "category", "problem")}
        return right, Tasks(n=self.n - probe, c=self.c - right, **left)

    def coverage(self, k: np.ndarray) -> np.ndarray:
        """[T] unbiased pass@k of each task at its own k, 0 for k = 0."""
        out = np.zeros(len(k))
        for size in np.unique(k[k > 0]):
            rows = k == size
            out[rows] = pass_at_k(self.n[rows], self.c[rows], int(size))
        return out

    def attempts(self, cap: int) -> np.ndarray:
        """[T, cap + 1] samples drawn when drawing stops at the first right one, at most 0..cap: sums over j
        of 1 - pass@j."""
        order = np.arange(max(cap - 1, 0))
        with np.errstate(divide="ignore"):
            steps = np.log(np.maximum((self.n - self.c)[:, None] - order, 0)) - np.log(
                self.n[:, None] - order
            )
        alive = np.exp(np.cumsum(steps, axis=1))
        first = np.ones((len(self.n), min(cap, 1)))
        return np.cumsum(np.concatenate([np.zeros((len(self.n), 1)), first, alive], axis=1), axis=1)


def monkeys() -> Tasks:
    """Seven models, 89 MATH problems, 10,000 samples each; lengths were not published, so every sample counts
    1."""
    rows = [
        json.loads(line) for line in (DATA / "monkeys_counts.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    count = len(rows[0]["c"])
    return Tasks(
        name="monkeys",
        n=np.concatenate([np.full(count, row["n"]) for row in rows]),
        c=np.concatenate([np.array(row["c"]) for row in rows]),
        tokens=np.ones(count * len(rows)),
        category=np.repeat([row["model"] for row in rows], count),
        problem=np.tile(np.arange(count), len(rows)),
    )


def quickstart() -> Tasks:
    """The quickstart's base on its held-out prompts, sampled by vLLM."""
    rows = [
        json.loads(line)
        for line in (DATA / "quickstart_base_counts.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    n = np.array([row["n"] for row in rows])
    return Tasks(
        name="quickstart",
        n=n,
        c=np.array([row["c"] for row in rows]),
        tokens=np.array([row["tokens"] for row in rows]) / n,
        category=np.array([row["category"] for row in rows]),
        problem=np.arange(len(rows)),
    )
