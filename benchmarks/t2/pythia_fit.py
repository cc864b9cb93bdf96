"""Surfaces and statistics of ``benchmarks.t2.pythia``: fitted to a draw of problems, and read off it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.t2.pythia_data import Cells
from planner.estimators.beta_binomial import fit as fit_population
from planner.t2.approach1 import Approach1, fit_approach1, posterior_losses
from planner.t2.approach2 import Approach2, fit_approach2
from planner.t2.budget import Measured, Score, two_budgets
from planner.t2.family import FamilySurface, fit_family
from planner.t2.holdout import KS, nearest_cell, spearman
from planner.t2.shift import Shift, mean_shift, measured_shift, shifts

LEVELS = (1e19, 1e20, 1e21, 1e22)
WITHIN = 2.0
MULTIPLES = (2.0, 8.0, 32.0)
PRIMARY, EQUAL_K = 8.0, 64.0
RESTARTS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfaces:
    """Fits of the same cells; approaches 1 and 2 to the readable ones."""

    family: FamilySurface
    approach1: Approach1
    approach2: Approach2

    def scores(self) -> dict[str, Score]:
        """Scores to maximise, by surface."""
        return {
            "family": self.family.accuracy,
            "approach1": lambda n, d, k: -self.approach1.loss(n, d, k),
            "approach2": self.approach2.accuracy,
        }


class Fitter:
    """Fits surfaces to draws of the problems of some cells."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.rows = cells.rows()
        self.clear = cells.of(cells.readable)
        self.loss = losses(self.clear)
        self.passed = np.stack([self.clear.passed(k) for k in KS], axis=2)
        self.start: Surfaces | None = None

    def __call__(self, draw: np.ndarray | None = None) -> Surfaces:
        """``draw`` [P]: weights of the problems. Later fits begin where the first ended."""
        weights = np.ones(self.cells.n.shape[1]) if draw is None else draw
        start, clear, ks = self.start, self.clear, np.array(KS, dtype=float)
        loss, passed = (np.average(table, axis=1, weights=weights) for table in (self.loss, self.passed))
        n, d, k = np.broadcast_arrays(clear.params[:, None], clear.tokens[:, None], ks[None, :])
        first = fit_approach1(
            n.ravel(),
            d.ravel(),
            k.ravel(),
            loss.ravel(),
            restarts=RESTARTS,
            start=None if start is None else start.approach1,
        )
        second = fit_approach2(
            clear.params,
            clear.tokens,
            loss[:, 0],
            ks,
            passed,
            restarts=RESTARTS // 2,
            start=None if start is None else start.approach2,
        )
        family = fit_family(self.rows, weights=weights, start=None if start is None else start.family)
        fitted = Surfaces(family=family, approach1=first, approach2=second)
        if self.start is None:
            self.start = fitted
        return fitted


def losses(cells: Cells) -> np.ndarray:
    """[J, P, K] of -log posterior mean pass@k, each cell's Beta fitted to all its problems."""
    found = []
    for n, c in zip(cells.n, cells.c, strict=True):
        population = fit_population(n, c)
        found.append(posterior_losses(n, c, KS, a=population.a, b=population.b))
    return np.array(found)


def budgets(cells: Cells) -> dict[str, float | None]:
    """C_inf by name; None: k = 64 for every N."""
    largest = float(cells.params.max())
    return {f"C_inf={m:g}Nmax": m * largest for m in sorted(MULTIPLES, key=lambda m: m != PRIMARY)} | {
        "k=64": None
    }


def surface_shift(score: Score, cells: Cells, served: float | None) -> tuple[float, list[dict[str, Any]]]:
    """(mean log ratio, optima of each isoline)."""
    limits = Measured(
        params=(float(cells.params.min()), float(cells.params.max())),
        tokens=(float(cells.tokens.min()), float(cells.tokens.max())),
    )
    if served is None:
        found = [_equal_k(score, flops, limits) for flops in LEVELS]
    else:
        found = shifts(score, train_flops=LEVELS, served_flops=served, measured=limits)
    optima = [
        {
            "train_flops": s.train_flops,
            **{
                name: {
                    "ratio": o.ratio,
                    "params": o.params,
                    "k": o.k,
                    "score": o.score,
                    "edges": list(o.edges),
                }
                for name, o in (("single", s.single), ("corrected", s.corrected))
            },
        }
        for s in found
    ]
    return mean_shift(found), optima


def _equal_k(score: Score, flops: float, limits: Measured) -> Shift:
    """The optimum at k = 64 against that at k = 1: both from the single-pass search."""
    single = two_budgets(score, train_flops=flops, served_flops=None, measured=limits)
    many = two_budgets(
        lambda n, d, k: score(n, d, np.full_like(k, EQUAL_K)),
        train_flops=flops,
        served_flops=None,
        measured=limits,
    )
    return Shift(train_flops=flops, single=single, corrected=many)


def levels_of(cells: Cells) -> np.ndarray:
    """[J] index of the isoline, -1 for none."""
    flops = 6 * cells.params * cells.tokens
    distance = np.abs(np.log(flops[:, None] / np.array(LEVELS)[None, :]))
    near = distance.argmin(axis=1)
    return np.where(distance.min(axis=1) <= np.log(WITHIN) * (1 + 1e-9), near, -1)


class MeasuredShift:
    """S3: the best measured cell of each isoline, with one sample and with what a budget buys."""

    def __init__(self, cells: Cells, served: float | None) -> None:
        level = levels_of(cells)
        self.inside = cells.of(level >= 0)
        self.level = level[level >= 0]
        params = self.inside.params
        self.k = np.full(len(params), EQUAL_K) if served is None else np.maximum(served / (2 * params), 1.0)
        self.one, self.many = self.inside.passed(1), self.inside.passed(self.k)

    def __call__(self, draw: np.ndarray | None = None) -> float:
        """Mean log ratio for one draw of problems."""
        single, many = (np.average(x, axis=1, weights=draw) for x in (self.one, self.many))
        return measured_shift(self.inside.ratios, self.level, single, many)

    def best(self) -> list[dict[str, Any]]:
        """The cells chosen on each isoline."""
        found = []
        single, many = self.one.mean(axis=1), self.many.mean(axis=1)
        for i in np.unique(self.level):
            at = np.nonzero(self.level == i)[0]
            first, second = at[single[at].argmax()], at[many[at].argmax()]
            found.append(
                {
                    "train_flops": LEVELS[i],
                    "cells": len(at),
                    "single": self.inside.names[first],
                    "pass@1": float(single[first]),
                    "corrected": self.inside.names[second],
                    "k": float(self.k[second]),
                    "pass@k": float(many[second]),
                    "single_pass@k": float(many[first]),
                }
            )
        return found


class HoldOut:
    """E1, E2, E3, R: surfaces fitted without some cells, judged on the readable ones among them."""

    def __init__(self, cells: Cells, out: np.ndarray) -> None:
        self.known, self.held = cells.of(~out), cells.of(out & cells.readable)
        self.fit = Fitter(self.known)
        self.ks = np.array(KS, dtype=float)
        index = nearest_cell(self.held.params, self.held.tokens, self.known.params, self.known.tokens)
        self.observed = np.stack([self.held.passed(k) for k in KS], axis=2)
        self.nearest = np.stack([self.known.passed(k)[index] for k in KS], axis=2)
        # Half a success of all samples stands in for none, where a logarithm is taken.
        self.floor = 0.5 / self.held.n.sum(axis=1)[:, None]
        self.loss = losses(self.held)

    def __call__(self, draw: np.ndarray | None = None) -> dict[str, float]:
        """Errors and ranks for one draw of problems."""
        surfaces = self.fit(draw)
        observed, nearest = (np.average(x, axis=1, weights=draw) for x in (self.observed, self.nearest))
        n, d = self.held.params[:, None], self.held.tokens[:, None]
        predicted = {
            "family": surfaces.family.accuracy(n, d, self.ks[None, :]),
            "approach2": surfaces.approach2.accuracy(n, d, self.ks[None, :]),
            "nearest": nearest,
        }
        found: dict[str, float] = {}
        for name, guess in predicted.items():
            error = np.abs(np.log(np.maximum(guess, self.floor) / np.maximum(observed, self.floor)))
            found[f"{name}_log_error"] = float(error.mean())
            above = observed > 0
            relative = np.abs(guess - observed)[above] / observed[above]
            found[f"{name}_relative"] = float(relative.mean()) if above.any() else float("nan")
            found[f"{name}_spearman"] = spearman(observed[:, -1], guess[:, -1])
        found["nearest_minus_family"] = found["nearest_log_error"] - found["family_log_error"]
        truth = np.average(self.loss, axis=1, weights=draw)
        guess = surfaces.approach1.loss(n, d, self.ks[None, :])
        found["approach1_loss_relative"] = float((np.abs(guess - truth) / truth).mean())
        return found


def hold_outs(cells: Cells) -> dict[str, np.ndarray]:
    """Masks [J] of what is held out."""
    return {"largest_N": cells.params == cells.params.max(), "largest_D": cells.tokens == cells.tokens.max()}


def interval(
    statistic: Callable[[np.ndarray | None], float], draws: Sequence[np.ndarray]
) -> dict[str, float]:
    """``summary`` of a statistic over all problems and over draws."""
    return summary(statistic(None), [statistic(draw) for draw in draws])


def summary(value: float, replicates: Sequence[float]) -> dict[str, float]:
    """``{estimate, low, high, p_positive}``; NaN replicates (nothing to rank) are left out."""
    values = np.array([x for x in replicates if np.isfinite(x)])
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (np.nan, np.nan)
    positive = float((values > 0).mean()) if len(values) else float("nan")
    return {"estimate": float(value), "low": float(low), "high": float(high), "p_positive": positive}
