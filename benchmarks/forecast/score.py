"""Errors, bias and coverage over redraws; what is chosen for a model on the others: a method, a stack, a
width of intervals."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls
from scipy.special import expit, logit

Values = dict[str, np.ndarray]
LEVELS = (90, 95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """For one left-out model."""

    method: str
    scale: dict[int, float]
    """Factor on half-widths with which the chosen method's intervals cover the other models at their nominal
    rate."""
    said: Values
    """``selected`` (with intervals as they are), ``selected, scaled intervals``, ``stacked``."""


def points(values: Values) -> list[str]:
    """Methods, without their interval columns."""
    return [key for key in values if "/" not in key]


def nested(own: Values, others: dict[str, Values], truth: dict[str, float]) -> Choice:
    """Choose on ``others``, apply to ``own``; only methods that come with intervals are candidates."""
    candidates = [m for m in points(own) if f"{m}/low90" in own]
    errors = {m: np.mean([np.abs(v[m] - truth[n]).mean() for n, v in others.items()]) for m in candidates}
    method = min(errors, key=errors.__getitem__)
    said: Values = {
        "selected": own[method],
        "selected, scaled intervals": own[method],
        "stacked": _stack(own, others, truth),
    }
    scale: dict[int, float] = {}
    for level in LEVELS:
        low, high = own[f"{method}/low{level}"], own[f"{method}/high{level}"]
        ratios = np.concatenate([_ratio(v, method, level, truth[n]) for n, v in others.items()])
        scale[level] = float(np.quantile(ratios, level / 100))
        said[f"selected/low{level}"], said[f"selected/high{level}"] = low, high
        said[f"selected, scaled intervals/low{level}"] = own[method] - scale[level] * (own[method] - low)
        said[f"selected, scaled intervals/high{level}"] = own[method] + scale[level] * (high - own[method])
    return Choice(method=method, scale=scale, said=said)


def _ratio(values: Values, method: str, level: int, true: float) -> np.ndarray:
    """[R] error as a multiple of the half-width on its side."""
    value, low, high = values[method], values[f"{method}/low{level}"], values[f"{method}/high{level}"]
    return np.where(
        true < value,
        (value - true) / np.maximum(value - low, 1e-9),
        (true - value) / np.maximum(high - value, 1e-9),
    )


def _stack(own: Values, others: dict[str, Values], truth: dict[str, float]) -> np.ndarray:
    """Weighted mean of all methods in log-odds; weights >= 0 with sum 1 by least squares on the others."""
    methods = points(own)
    design = np.concatenate([np.stack([_log_odds(v[m]) for m in methods], axis=1) for v in others.values()])
    target = np.concatenate([np.full(len(v[methods[0]]), _log_odds(truth[n])) for n, v in others.items()])
    heavy = 1e3  # a row that holds the sum at 1
    weights, _ = nnls(np.vstack([design, np.full(len(methods), heavy)]), np.append(target, heavy))
    return expit(np.stack([_log_odds(own[m]) for m in methods], axis=1) @ weights)


def _log_odds(p: np.ndarray | float) -> np.ndarray:
    return logit(np.clip(p, 1e-3, 1 - 1e-3))


def score(said: dict[str, Values], truth: dict[str, float]) -> dict[str, Any]:
    """For each method the mean over models of error, bias and coverage, and each model's own."""
    table = {}
    for method in points(next(iter(said.values()))):
        models = {name: _one(values, method, truth[name]) for name, values in said.items()}
        keys = [key for key in next(iter(models.values())) if all(key in row for row in models.values())]
        table[method] = {key: float(np.mean([row[key] for row in models.values()])) for key in keys} | {
            "models": models
        }
    return table


def _one(values: Values, method: str, true: float) -> dict[str, float]:
    error = values[method] - true
    row = {"abs_error": float(np.abs(error).mean()), "bias": float(error.mean()), "sd": float(error.std())}
    for level in LEVELS:
        if f"{method}/low{level}" in values:
            inside = (values[f"{method}/low{level}"] <= true) & (true <= values[f"{method}/high{level}"])
            row[f"coverage_{level}"] = float(inside.mean())
    return row
