"""T² approach 1: the mean of -log pass@k as a sum of powers of N, D and k (arXiv 2604.01411 §3.1).

See docs/methods/t2.md#approach-1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln

from planner.t2.powersum import PowerSum, fit_power_sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach1:
    """L = E + A N^-alpha + B D^-beta + G k^-gamma. By Jensen it lies above -log of the mean pass@k."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float
    G: float
    gamma: float

    def loss(self, params: ArrayLike, tokens: ArrayLike, k: ArrayLike) -> np.ndarray:
        """Mean of -log pass@k in nats; real k; broadcasts."""
        n, d, samples = (np.asarray(x, dtype=np.float64) for x in (params, tokens, k))
        return self.E + self.A * n**-self.alpha + self.B * d**-self.beta + self.G * samples**-self.gamma

    def stationarity(self, params: float, train_flops: float, served_flops: float) -> float:
        """dL/dlog N along D = C/6N, k = C_inf/2N: 0 at an interior optimum. The last term is positive, so N*
        lies below Chinchilla's for every C_inf with k >= 1."""
        falling = -self.alpha * self.A * params**-self.alpha
        rising = self.beta * self.B * (6 * params / train_flops) ** self.beta
        return falling + rising + self.gamma * self.G * (2 * params / served_flops) ** self.gamma


def fit_approach1(
    params: ArrayLike,
    tokens: ArrayLike,
    k: ArrayLike,
    loss: ArrayLike,
    *,
    restarts: int = 500,
    seed: int = 0,
    start: Approach1 | None = None,
) -> Approach1:
    """Plain least squares over rows (checkpoint, k), each [R]; seven parameters; ``start``: from there
    only."""
    logs = np.log(np.stack([np.asarray(x, dtype=np.float64) for x in (params, tokens, k)]))
    begin = None
    if start is not None:
        begin = PowerSum(start.E, (start.A, start.B, start.G), (start.alpha, start.beta, start.gamma), 0.0)
    law = fit_power_sum(logs, loss, restarts=restarts, seed=seed, start=begin)
    (a, b, g), (alpha, beta, gamma) = law.coefficients, law.exponents
    return Approach1(E=law.floor, A=a, B=b, alpha=alpha, beta=beta, G=g, gamma=gamma)


def likelihood_loss(log_p: ArrayLike, k: ArrayLike) -> np.ndarray:
    """[K] means over problems of -log(1 - (1 - p)^k), from log p [M] of the reference answers. Never clipped:
    p may be 1e-30."""
    logs = np.asarray(log_p, dtype=np.float64)[:, None]
    samples = np.asarray(k, dtype=np.float64)[None, :]
    p = np.exp(np.minimum(logs, 0.0))
    # p = 1 misses with probability 0; an underflown p takes the other branch.
    with np.errstate(divide="ignore"):
        exact = np.log(-np.expm1(samples * np.log1p(-p)))
    # pass@k = k p to first order, in logarithms that do not underflow.
    passed = np.where(logs < -700, np.log(samples) + logs, exact)
    return -passed.mean(axis=0)


def posterior_loss(n: ArrayLike, c: ArrayLike, k: ArrayLike, *, a: float, b: float) -> np.ndarray:
    """[K] means over problems of ``posterior_losses``."""
    return posterior_losses(n, c, k, a=a, b=b).mean(axis=0)


def posterior_losses(n: ArrayLike, c: ArrayLike, k: ArrayLike, *, a: float, b: float) -> np.ndarray:
    """[M, K] of -log of the posterior mean pass@k, from counts [M]: what stands in where a problem was never
    solved, instead of an infinite loss. (a, b): the population's Beta, fitted beforehand."""
    trials, right = (np.asarray(x, dtype=np.float64)[:, None] for x in (n, c))
    samples = np.asarray(k, dtype=np.float64)[None, :]
    first, second = a + right, b + trials - right
    return -np.log(-np.expm1(betaln(first, second + samples) - betaln(first, second)))
