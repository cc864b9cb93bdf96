"""Repeated data with known repetition: does the effective-token term predict held-out cells?

    t2rl bases build repeated --unique-tokens U --seed S --dir runs/bases/repeated/uU-sS --jobs 1
    t2rl bases eval runs/bases/repeated/uU-sS
    python -m benchmarks.t2.repeated runs/bases/repeated/*

Written and committed before any base of ``repeated`` was trained. U is 500,000, 250,000, 125,000, 62,500 and
31,250 distinct tokens, S is 0, 1, 2; sizes 25k and 50k at D/N of 2.5, 5 and 10, so the longest run of 50k
(half a million tokens) sees its data 1, 2, 4, 8 and 16 times. Ninety bases. The score is the held-out NLL of
the answer (likelihood mode).

Held out are the cells that saw their data most often: D/U of 7 or more (12 of the 90 bases). The rest is
fitted, by least squares in NLL. Compared on the held-out bases, by mean absolute error of the NLL: no term
(Chinchilla's law in D), distinct tokens alone (the law in min(D, U)), the term with the published R* = 15.39,
and the term with R* fitted (planner/t2/repeated.py, arXiv 2305.16264).

- R1: the term with R* fitted predicts better than no term: the 95% interval of the paired difference of mean
  absolute errors lies below 0.
- R2: R* is inside the range of the fit (not on its limits), on the fitted cells and on all cells.
- R3: it predicts better than the nearest fitted cell (in log N, log D, log U): the interval of the difference
  lies below 0.

Intervals: 200 replicates, seeds drawn with replacement for each (N, D, U).

Expected: R1 passes; R2 passes with R* below 15, because short answers are memorised sooner
than text; R3 is open. The law cannot rise with D, so where the NLL of a repeated cell is
above that of a shorter run, every law here misses it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lib.common import CONSOLE, machine, parser, save
from planner.t2.chinchilla import ChinchillaLaw, fit_chinchilla
from planner.t2.repeated import RepeatedLaw, effective_tokens, fit_repeated
from rl.ladder.analysis.data import load_scores
from rl.ladder.layout import LadderDir

HELD_OUT = 7.0
REPLICATES = 200
MODELS = ("no_term", "distinct", "published", "fitted", "nearest")
Fits = tuple[RepeatedLaw, dict[str, ChinchillaLaw]]


def read(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """One entry for each (N, D, U): ``params``, ``tokens``, ``unique`` and ``nll`` [S], mean over problems of
    each seed."""
    cells: dict[tuple[str, int], dict[str, Any]] = {}
    for path in paths:
        directory = LadderDir(path)
        unique = directory.ladder().unique_tokens
        assert unique is not None, f"{path}: no unique_tokens in ladder.yaml"
        for scores in load_scores(directory):
            cell = cells.setdefault(
                (scores["name"], unique),
                {
                    "name": scores["name"],
                    "params": scores["params"],
                    "tokens": [],
                    "unique": unique,
                    "nll": [],
                },
            )
            cell["tokens"].append(scores["tokens"])
            cell["nll"].append(-float(np.mean([row["logp"] for row in scores["rows"]])))
    made = [{**c, "tokens": float(np.mean(c["tokens"])), "nll": np.array(c["nll"])} for c in cells.values()]
    return sorted(made, key=lambda c: (c["params"], c["unique"], c["tokens"]))


class Table:
    """Cells as arrays [J]."""

    def __init__(self, cells: Sequence[dict[str, Any]]) -> None:
        self.params = np.array([float(c["params"]) for c in cells])
        self.tokens = np.array([c["tokens"] for c in cells])
        self.unique = np.array([min(c["unique"], c["tokens"]) for c in cells])
        self.held = self.tokens / self.unique >= HELD_OUT

    def predictions(self, nll: np.ndarray, start: Fits | None) -> tuple[dict[str, np.ndarray], Fits]:
        """NLL [H] of the held-out cells by every model fitted to the others."""
        n, d, u, y = (x[~self.held] for x in (self.params, self.tokens, self.unique, nll))
        at = self.params[self.held], self.tokens[self.held], self.unique[self.held]
        law = fit_repeated(n, d, u, y, start=None if start is None else start[0])
        made, laws = {"fitted": law.loss(*at), "nearest": y[self._nearest()]}, {}
        for name, worth in (
            ("no_term", lambda d, u: d),
            ("distinct", np.minimum),
            ("published", effective_tokens),
        ):
            begin = None if start is None else start[1][name]
            laws[name] = fit_chinchilla(n, worth(d, u), y, start=begin)
            made[name] = laws[name].loss(at[0], worth(at[1], at[2]))
        return made, (law, laws)

    def _nearest(self) -> np.ndarray:
        logs = np.log(np.stack([self.params, self.tokens, self.unique], axis=1))
        distance = ((logs[self.held][:, None] - logs[~self.held][None]) ** 2).sum(axis=2)
        return distance.argmin(axis=1)


def errors(table: Table, nll: np.ndarray, start: Fits | None = None) -> tuple[dict[str, float], Fits]:
    """Mean absolute error on the held-out cells; ``start``: fits to begin from, for replicates."""
    guess, fits = table.predictions(nll, start)
    return {name: float(np.abs(guess[name] - nll[table.held]).mean()) for name in MODELS}, fits


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("ladders", nargs="+", type=Path, help="directories of repeated, U by seed")
    args = options.parse_args()
    cells = read(args.ladders)
    table = Table(cells)
    mean = np.array([c["nll"].mean() for c in cells])
    found, fits = errors(table, mean)
    law = fits[0]
    every = fit_repeated(table.params, table.tokens, table.unique, mean)
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(20 if args.quick else REPLICATES):
        nll = np.array([rng.choice(c["nll"], len(c["nll"])).mean() for c in cells])
        made, one = errors(table, nll, fits)
        draws.append({**made, "decay": one[0].decay})
    differences = {
        other: _interval(found["fitted"] - found[other], [d["fitted"] - d[other] for d in draws])
        for other in MODELS
        if other != "fitted"
    }
    result = {
        "machine": machine(),
        "seeds": sorted({len(c["nll"]) for c in cells}),
        "held_out": [f"{c['name']} U={c['unique']}" for c, out in zip(cells, table.held, strict=True) if out],
        "error": {name: _interval(found[name], [d[name] for d in draws]) for name in MODELS},
        "fitted_minus": differences,
        "decay": _interval(law.decay, [d["decay"] for d in draws]) | {"bounded": law.bounded},
        "decay_of_all_cells": {"value": every.decay, "bounded": every.bounded},
        "cells": [
            {**{k: c[k] for k in ("name", "tokens", "unique")}, "nll": c["nll"].round(4).tolist()}
            for c in cells
        ],
    }
    result["claims"] = {
        "R1": differences["no_term"]["high"] < 0,
        "R2": not law.bounded and not every.bounded,
        "R3": differences["nearest"]["high"] < 0,
    }
    for name in ("error", "fitted_minus", "decay", "decay_of_all_cells", "claims"):
        CONSOLE.print(name, result[name])
    save("t2_repeated", result, args=args)


def _interval(value: float, replicates: Sequence[float]) -> dict[str, Any]:
    low, high = np.quantile(replicates, [0.025, 0.975])
    return {"value": value, "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
