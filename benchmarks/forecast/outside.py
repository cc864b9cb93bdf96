"""References where they were not made: another study's benchmarks, and difficulty distributions that are like
none of theirs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.forecast.data import reruns
from benchmarks.forecast.methods import with_reference, without_reference
from benchmarks.forecast.score import score
from planner.forecast.reference import Reference

SAMPLES = 32
MATH, BROAD = "reference: MATH, first study", "reference: broad"
LAWS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "Beta(.5, 4.5)": lambda rng, size: rng.beta(0.5, 4.5, size),
    "Beta(.2, 2)": lambda rng, size: rng.beta(0.2, 2, size),
    "logit-normal(-3, 2)": lambda rng, size: 1 / (1 + np.exp(3 - 2 * rng.standard_normal(size))),
    "30% zeros, Beta(1, 6)": lambda rng, size: np.where(rng.random(size) < 0.3, 0.0, rng.beta(1, 6, size)),
    "half Beta(8, 2), half Beta(.5, 20)": lambda rng, size: np.where(
        rng.random(size) < 0.5, rng.beta(8, 2, size), rng.beta(0.5, 20, size)
    ),
}


def outside(math: Reference, broad: Reference, *, quick: bool) -> dict[str, Any]:
    """Errors on rerun counts at k = 256, and root mean square errors on simulated laws at k = 64, 256,
    1024."""
    return {"reruns": _reruns(math, broad, 4 if quick else 50), "laws": _laws(broad, 3 if quick else 30)}


def _reruns(math: Reference, broad: Reference, redraws: int) -> dict[str, Any]:
    """References without the model in question: seven models on MATH in the first study, and with the reruns'
    other models."""
    rng = np.random.default_rng(7)
    sets = reruns(256)
    said = {}
    for p in sets:
        known = {MATH: math.without(p.model), BROAD: broad.without(p.model)}
        said[p.name] = _table([_all(p.redraw(SAMPLES, rng), 256, known) for _ in range(redraws)])
    table = score(said, {p.name: p.truth(256) for p in sets})
    kept = ("beta-binomial", "exponentiated power law", "family alone", MATH, BROAD)
    return {method: table[method] for method in kept}


def _laws(broad: Reference, repeats: int) -> dict[str, Any]:
    """128 problems drawn anew from the law in each repeat; the target is the mean pass@k of those
    problems."""
    rng = np.random.default_rng(8)
    result: dict[str, Any] = {}
    for name, draw in LAWS.items():
        errors: dict[str, list[float]] = {}
        for _ in range(repeats):
            p = draw(rng, 128)
            counts = np.stack([np.full(128, SAMPLES), rng.binomial(SAMPLES, p)], axis=1)
            for k in (64, 256, 1024):
                true = float((1 - (1 - p) ** k).mean())
                for method, value in _all(counts, k, {BROAD: broad}).items():
                    if "/" not in method:
                        errors.setdefault(f"{method} @{k}", []).append(value - true)
        result[name] = {key: round(float(np.sqrt(np.mean(np.square(e)))), 4) for key, e in errors.items()}
    return result


def _all(counts: np.ndarray, k: int, known: dict[str, Reference]) -> dict[str, float]:
    return {**without_reference(counts, k), **with_reference(counts, k, known)}


def _table(rows: list[dict[str, float]]) -> dict[str, np.ndarray]:
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}
