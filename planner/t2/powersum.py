"""Least squares for a floor plus falling powers, y = E + sum_j exp(a_j - s_j x_j): the form of every loss law
here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

MAX_SLOPE = 3.0
MIN_SLOPE = 1e-3
TINY = 1e-9
FLOORS = 40
"""Starting floors, spread over [.01, .95] of the smallest y (arXiv 2604.01411, appendix)."""


@dataclass(frozen=True, slots=True)
class PowerSum:
    """The fitted law, in the units of the logarithms it was given."""

    floor: float
    coefficients: tuple[float, ...]
    """exp(a_j)."""
    exponents: tuple[float, ...]
    """s_j."""
    error: float
    """Weighted sum of squares at the optimum."""

    def __call__(self, logs: Sequence[ArrayLike]) -> np.ndarray:
        """The law at log features, one array for each term."""
        terms = zip(self.coefficients, self.exponents, logs, strict=True)
        return np.asarray(
            self.floor + sum(c * np.exp(-s * np.asarray(x, dtype=np.float64)) for c, s, x in terms)
        )


def fit_power_sum(
    logs: np.ndarray,
    y: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    tied: bool = False,
    restarts: int = 100,
    seed: int = 0,
    start: PowerSum | None = None,
) -> PowerSum:
    """Best of several L-BFGS-B runs with exact gradients.

    Args:
        logs: [J, R] natural logarithms of the features.
        y: [R] what is fitted, not negative.
        weights: [R] of the squares; 1 unless given.
        tied: one exponent for all terms.
        restarts: random starts.
        seed: of the starts.
        start: begin there instead (bootstrap replicates); ``restarts`` is ignored then.

    Raises:
        ValueError: fewer rows than parameters, or y negative or infinite.
    """
    target = np.asarray(y, dtype=np.float64)
    num_terms, rows = logs.shape
    free = 1 + num_terms + (1 if tied else num_terms)
    if rows < free:
        raise ValueError(
            f"a law of {free} parameters cannot be fitted to {rows} rows; add checkpoints, or use a law with"
            " fewer"
        )
    if not np.all(np.isfinite(target)) or target.min() < 0:
        raise ValueError(
            "losses must be finite and not negative: score by likelihood, or use posterior means of unsolved"
            " problems"
        )
    scale = np.ones(rows) if weights is None else np.asarray(weights, dtype=np.float64)
    centre = logs.mean(axis=1, keepdims=True)  # Centred features decouple coefficients from exponents.
    objective = _Objective(logs - centre, target, scale / scale.sum(), tied)
    if start is not None:
        begins = [objective.pack(start, centre[:, 0])]
    else:
        begins = list(_starts(target, num_terms, tied, restarts, np.random.default_rng(seed)))
    bounds = [(-25.0, 12.0)] * (1 + num_terms) + [(MIN_SLOPE, MAX_SLOPE)] * (free - 1 - num_terms)
    options = {"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10}
    runs = [
        minimize(objective, x, jac=True, method="L-BFGS-B", bounds=bounds, options=options) for x in begins
    ]
    best = min(runs, key=lambda run: run.fun)
    return objective.unpack(best.x, centre[:, 0], float(best.fun) * float(scale.sum()))


def _starts(
    target: np.ndarray, num_terms: int, tied: bool, restarts: int, rng: np.random.Generator
) -> np.ndarray:
    """[restarts, parameters]: floors over the grid, what is left shared at random, exponents from .05 to
    1."""
    floors = np.resize(np.linspace(0.01, 0.95, FLOORS), restarts)
    rng.shuffle(floors)
    smallest = max(float(target.min()), TINY)
    rest = np.log(np.maximum(target.mean() - floors * smallest, TINY))
    shares = np.log(rng.dirichlet(np.ones(num_terms), restarts) + 1e-6)
    slopes = np.exp(rng.uniform(np.log(0.05), 0.0, (restarts, 1 if tied else num_terms)))
    return np.column_stack([np.log(floors * smallest), rest[:, None] + shares, slopes])


class _Objective:
    """Weighted mean of squares with its gradient, on centred features; parameters (log E, a_1.., s_1..)."""

    def __init__(self, logs: np.ndarray, target: np.ndarray, weights: np.ndarray, tied: bool) -> None:
        self.logs, self.target, self.weights, self.tied = logs, target, weights, tied

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        # [J, R]; a tied s broadcasts
        terms = np.exp(x[1 : 1 + len(self.logs), None] - x[1 + len(self.logs) :, None] * self.logs)
        residual = np.exp(x[0]) + terms.sum(axis=0) - self.target
        pull = 2 * self.weights * residual
        slopes = -(terms * self.logs) @ pull
        if self.tied:
            slopes = slopes.sum(keepdims=True)
        return float(self.weights @ residual**2), np.concatenate(
            [[np.exp(x[0]) * pull.sum()], terms @ pull, slopes]
        )

    def pack(self, law: PowerSum, centre: np.ndarray) -> np.ndarray:
        """Parameters of a law."""
        s = np.array(law.exponents)
        inner = np.log(np.maximum(law.coefficients, 1e-11)) - s * centre
        return np.concatenate([[np.log(max(law.floor, 1e-11))], inner, s[:1] if self.tied else s])

    def unpack(self, x: np.ndarray, centre: np.ndarray, error: float) -> PowerSum:
        """The law at parameters."""
        num_terms = len(centre)
        s = np.resize(x[1 + num_terms :], num_terms)
        coefficients = np.exp(x[1 : 1 + num_terms] + s * centre)
        return PowerSum(float(np.exp(x[0])), tuple(map(float, coefficients)), tuple(map(float, s)), error)
