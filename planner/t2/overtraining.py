"""Over-training laws of Gadre et al. (arXiv 2403.08540): loss with one exponent for N and D, and error that
decays with loss.

See docs/methods/t2.md#over-training-law.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares

from planner.t2.powersum import fit_power_sum


@dataclass(frozen=True, slots=True, kw_only=True)
class OvertrainingLaw:
    """L = E + a N^-eta + b 6^(-eta/2) (M N)^-eta with M = D / N: four parameters, for fewer than about twelve
    checkpoints."""

    E: float
    a: float
    b: float
    eta: float

    def loss(self, params: ArrayLike, tokens: ArrayLike) -> np.ndarray:
        """L(N, D) in nats; broadcasts."""
        n, d = np.asarray(params, dtype=np.float64), np.asarray(tokens, dtype=np.float64)
        return self.E + self.a * n**-self.eta + self.b * 6 ** (-self.eta / 2) * d**-self.eta


def fit_overtraining(
    params: ArrayLike, tokens: ArrayLike, nll: ArrayLike, *, restarts: int = 80, seed: int = 0
) -> OvertrainingLaw:
    """Least squares over checkpoints [R]."""
    logs = np.log(np.stack([np.asarray(params, dtype=np.float64), np.asarray(tokens, dtype=np.float64)]))
    law = fit_power_sum(logs, nll, tied=True, restarts=restarts, seed=seed)
    eta = law.exponents[0]
    return OvertrainingLaw(
        E=law.floor, a=law.coefficients[0], b=law.coefficients[1] * 6 ** (eta / 2), eta=eta
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLaw:
    """Downstream error = ceiling - kappa exp(-gamma L)."""

    ceiling: float
    kappa: float
    gamma: float

    def error(self, loss: ArrayLike) -> np.ndarray:
        """1 - accuracy at a loss in nats."""
        return self.ceiling - self.kappa * np.exp(-self.gamma * np.asarray(loss, dtype=np.float64))


def fit_error_law(loss: ArrayLike, error: ArrayLike) -> ErrorLaw:
    """Least squares over checkpoints [R], at least three."""
    x, y = np.asarray(loss, dtype=np.float64), np.asarray(error, dtype=np.float64)
    if len(x) < 3:
        raise ValueError(f"a law of 3 parameters cannot be fitted to {len(x)} rows; add checkpoints")

    def residual(t: np.ndarray) -> np.ndarray:
        return t[0] - np.exp(t[1] - t[2] * x) - y

    starts = [[float(y.max()), 0.0, s] for s in (0.3, 1.0, 3.0)]
    best = min(
        (least_squares(residual, s, bounds=([0, -20, 0], [1.5, 20, 20])) for s in starts),
        key=lambda run: run.cost,
    ).x
    return ErrorLaw(ceiling=float(best[0]), kappa=float(np.exp(best[1])), gamma=float(best[2]))
