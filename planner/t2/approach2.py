"""T² approach 2: single-pass loss first, then the distribution of success probabilities over it (arXiv
2604.01411 §3.2).

See docs/methods/t2.md#approach-2.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares
from scipy.special import expit

from planner.t2.beta import beta_pass_at_k
from planner.t2.chinchilla import ChinchillaLaw, fit_chinchilla

LOWER = (-np.inf, 1e-3, 1e-3, -6.0, -5.0)
UPPER = (np.inf, 50.0, 1.0, 8.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach2:
    """mu = theta2 / (1 + exp(theta1 (L - theta0))), nu = exp(theta3 + theta4 L), p ~ Beta(mu nu, (1 - mu)
    nu)."""

    law: ChinchillaLaw
    theta: tuple[float, float, float, float, float]

    def beta(self, params: ArrayLike, tokens: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """(a, b) of the population of problems."""
        return _beta(np.asarray(self.theta), self.law.loss(params, tokens))

    def accuracy(self, params: ArrayLike, tokens: ArrayLike, k: ArrayLike) -> np.ndarray:
        """Mean pass@k; real k; broadcasts."""
        a, b = self.beta(params, tokens)
        return beta_pass_at_k(a, b, k)


def _beta(theta: np.ndarray, loss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mu = theta[2] * expit(-theta[1] * (loss - theta[0]))
    nu = np.exp(np.clip(theta[3] + theta[4] * loss, -20, 20))
    return np.maximum(mu * nu, 1e-12), np.maximum((1 - mu) * nu, 1e-12)


def fit_approach2(
    params: ArrayLike,
    tokens: ArrayLike,
    nll: ArrayLike,
    k: ArrayLike,
    accuracy: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    restarts: int = 80,
    seed: int = 0,
    start: "Approach2 | None" = None,
) -> Approach2:
    """Two stages of least squares.

    Args:
        params: [J] N of each checkpoint.
        tokens: [J] D.
        nll: [J] single-pass loss, nats.
        k: [K] samples.
        accuracy: [J, K] measured pass@k.
        weights: [J] of the first stage, e.g. ``isoline_weights``.
        restarts: of the first stage.
        seed: of its starts.
        start: an earlier fit to begin both stages from (bootstrap replicates).
    """
    law = fit_chinchilla(
        params,
        tokens,
        nll,
        weights=weights,
        restarts=restarts,
        seed=seed,
        start=None if start is None else start.law,
    )
    loss = law.loss(params, tokens)[:, None]
    samples, target = np.asarray(k, dtype=np.float64)[None, :], np.asarray(accuracy, dtype=np.float64)

    def residual(theta: np.ndarray) -> np.ndarray:
        return (beta_pass_at_k(*_beta(theta, loss), samples) - target).ravel()

    starts = [np.array(start.theta)] if start is not None else _theta_starts(loss[:, 0], target[:, 0])
    low, high = np.array(LOWER), np.array(UPPER)
    runs = [
        least_squares(residual, np.clip(t, low + 1e-6, high - 1e-6), bounds=(low, high), x_scale="jac")
        for t in starts
    ]
    best = min(runs, key=lambda run: run.cost).x
    return Approach2(law=law, theta=tuple(map(float, best)))  # type: ignore[arg-type]  # five numbers


def _theta_starts(loss: np.ndarray, first: np.ndarray) -> list[np.ndarray]:
    """A plain sigmoid fitted to the first column of accuracies, crossed with a grid of concentrations."""

    def residual(t: np.ndarray) -> np.ndarray:
        return t[2] * expit(-t[1] * (loss - t[0])) - first

    bounds = (np.array(LOWER[:3]), np.array(UPPER[:3]))
    middle = float(np.median(loss))
    sigmoid = min(
        (
            least_squares(residual, [middle, s, top], bounds=bounds)
            for s in (0.5, 2.0, 5.0)
            for top in (0.5, 0.99)
        ),
        key=lambda run: run.cost,
    ).x
    return [np.array([*sigmoid, t3, t4]) for t3 in (-1.0, 0.0, 1.0) for t4 in (-0.5, 0.0, 0.5)]


def naive_accuracy(theta: ArrayLike, loss: ArrayLike, k: ArrayLike) -> np.ndarray:
    """The baseline 1 - (1 - mu(L))^k: as if all problems were equally hard, which overestimates
    (concavity)."""
    t = np.asarray(theta, dtype=np.float64)
    mu = t[2] * expit(-t[1] * (np.asarray(loss, dtype=np.float64) - t[0]))
    return -np.expm1(np.asarray(k, dtype=np.float64) * np.log1p(-np.minimum(mu, 1 - 1e-15)))
