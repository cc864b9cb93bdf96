"""Real success counts, redrawn as if few samples had been taken: hypergeometric, so without replacement."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from planner.estimators.pass_at_k import pass_at_k
from planner.forecast.spending import next_problems

DATA = Path(__file__).parents[1] / "data"
DEPTH = 2000
"""Longest prefix of a problem's samples that adaptive spending can reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """One model on one benchmark."""

    name: str
    """Benchmark, then model; ``rerun`` before it for the second study."""
    n: np.ndarray
    c: np.ndarray

    @property
    def model(self) -> str:
        """Its name alone."""
        return self.name[self.name.index("Pythia") :]

    def truth(self, k: int) -> float:
        """Unbiased pass@k from all samples."""
        return float(pass_at_k(self.n, self.c, k).mean())

    def redraw(self, samples: int, rng: np.random.Generator) -> np.ndarray:
        """[M, 2] rows (n, c) with ``samples`` of each problem."""
        return np.stack(
            [np.full(len(self.n), samples), rng.hypergeometric(self.c, self.n - self.c, samples)], axis=1
        )

    def spend(self, budget: int, enough: int, rng: np.random.Generator) -> np.ndarray:
        """[M, 2] rows (n, c) after spending ``budget`` samples by ``next_problems``, a round of open problems
        at a time."""
        prefix = np.zeros((len(self.n), DEPTH), dtype=np.int8)
        for row, right in zip(prefix, rng.hypergeometric(self.c, self.n - self.c, DEPTH), strict=True):
            row[rng.choice(DEPTH, right, replace=False)] = 1
        found = np.cumsum(prefix, axis=1)
        n, c = np.zeros(len(self.n), dtype=np.int64), np.zeros(len(self.n), dtype=np.int64)
        while budget:
            size = min(budget, max(1, int((c < enough).sum())))
            np.add.at(n, next_problems(n, c, size, enough=enough), 1)
            c = np.where(n > 0, np.take_along_axis(found, np.maximum(n - 1, 0)[:, None], axis=1)[:, 0], 0)
            budget -= size
        return np.stack([n, c], axis=1)


def originals() -> list[Population]:
    """Seven models, 89 MATH problems, 10,000 samples each."""
    rows = _rows("monkeys_counts.jsonl")
    return [
        Population(name=f"MATH {r['model']}", n=np.full(len(r["c"]), r["n"]), c=np.array(r["c"]))
        for r in rows
    ]


def reruns(least: int) -> list[Population]:
    """The same models in another study, on GSM8K and MATH, where every problem has ``least`` samples and
    something is solved."""
    rows = [r for r in _rows("monkeys_rerun_counts.jsonl") if min(r["n"]) >= least and sum(r["c"])]
    return [
        Population(name=f"rerun {r['benchmark']} {r['model']}", n=np.array(r["n"]), c=np.array(r["c"]))
        for r in rows
    ]


def _rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]
