"""The single-pass loss law L = E + A N^-alpha + B D^-beta (arXiv 2203.15556), its fit and its optima.

See docs/methods/t2.md#chinchilla.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from planner.t2.powersum import PowerSum, fit_power_sum


@dataclass(frozen=True, slots=True, kw_only=True)
class ChinchillaLaw:
    """N in parameters, D in tokens, loss in nats."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def loss(self, params: ArrayLike, tokens: ArrayLike) -> np.ndarray:
        """L(N, D); broadcasts."""
        n, d = np.asarray(params, dtype=np.float64), np.asarray(tokens, dtype=np.float64)
        return self.E + self.A * n**-self.alpha + self.B * d**-self.beta

    def optimal_params(self, train_flops: float) -> float:
        """N of least loss at 6ND = ``train_flops``: g (C/6)^(beta/(alpha+beta)), g = (alpha A / beta
        B)^(1/(alpha+beta))."""
        both = self.alpha + self.beta
        g = (self.alpha * self.A / (self.beta * self.B)) ** (1 / both)
        return float(g * (train_flops / 6) ** (self.beta / both))

    def tokens_for(self, loss: float, params: ArrayLike) -> np.ndarray:
        """D at which a model of N parameters reaches ``loss``; infinite where it never does."""
        left = loss - self.E - self.A * np.asarray(params, dtype=np.float64) ** -self.alpha
        return np.where(left > 0, (self.B / np.maximum(left, 1e-300)) ** (1 / self.beta), np.inf)

    def sardana(self, loss: float, served_tokens: float) -> tuple[float, float]:
        """(N, D) of least 6ND + 2N * served_tokens that reaches ``loss`` (arXiv 2401.00448): the baseline
        without samples.

        Raises:
            ValueError: the loss is at or below the floor E.
        """
        if loss <= self.E:
            raise ValueError(
                f"loss {loss:g} is not above the floor {self.E:g} of the law: no model reaches it"
            )
        smallest = (self.A / (loss - self.E)) ** (1 / self.alpha)

        def cost(log_n: float) -> float:
            n = float(np.exp(log_n))
            return float(np.log(6 * n * self.tokens_for(loss, n) + 2 * n * served_tokens))

        low = float(np.log(smallest))
        best = minimize_scalar(cost, bounds=(low + 1e-6, low + 12), method="bounded", options={"xatol": 1e-9})
        n = float(np.exp(best.x))
        return n, float(self.tokens_for(loss, n))


def fit_chinchilla(
    params: ArrayLike,
    tokens: ArrayLike,
    nll: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    restarts: int = 80,
    seed: int = 0,
    start: ChinchillaLaw | None = None,
) -> ChinchillaLaw:
    """Least squares over checkpoints [R]; ``weights`` as of ``isoline_weights``; ``start``: from there
    only."""
    logs = np.log(np.stack([np.asarray(params, dtype=np.float64), np.asarray(tokens, dtype=np.float64)]))
    begin = None if start is None else PowerSum(start.E, (start.A, start.B), (start.alpha, start.beta), 0.0)
    law = fit_power_sum(logs, nll, weights=weights, restarts=restarts, seed=seed, start=begin)
    (a, b), (alpha, beta) = law.coefficients, law.exponents
    return ChinchillaLaw(E=law.floor, A=a, B=b, alpha=alpha, beta=beta)


def isoline_weights(nll: ArrayLike, levels: ArrayLike) -> np.ndarray:
    """[R] inverse variance of the losses within each isoline, mean 1; isolines of one cell, and bases on none
    (level 0), get the mean variance of the others."""
    values, groups = np.asarray(nll, dtype=np.float64), np.asarray(levels)
    variance = np.full(len(values), np.nan)
    for level in np.unique(groups):
        rows = groups == level
        if level > 0 and rows.sum() > 1 and (spread := values[rows].var(ddof=1)) > 0:
            variance[rows] = spread
    if np.isnan(variance).all():
        return np.ones(len(values))
    variance = np.where(np.isnan(variance), np.nanmean(variance), variance)
    # An isoline whose cells happen to agree must not outweigh all others.
    inverse = 1 / np.maximum(variance, 0.05 * variance.max())
    return inverse / inverse.mean()
