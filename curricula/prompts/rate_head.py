"""A pass rate from a prompt's hidden state: ridge regression on fading sums, fitted exactly at every update.
Pure numpy.

See docs/methods/prompts.md#pcl.
"""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from rollout.arrays import decode, encode

WIDTH = 128
"""Wider features are projected to as many numbers by a fixed Gaussian matrix, which keeps distances to about
a tenth."""
SPREAD_FLOOR = 1e-3
"""Share of the root mean square spread: a feature that hardly ever varied says nothing when it first does."""


class RateHead:
    """V(x) = clip(mean rate + w . (x - mean) / spread, 0, 1), w minimising sum_i (V(x_i) - rate_i)^2 + ridge
    * d * |w|^2.

    PCL (arXiv 2510.01135) trains its value head by gradient steps on the same squared error. The sums behind
    this one fade by ``discount`` at every update, since the policy that the features and the rates come from
    moves on. Features are standardised, so that ``ridge`` means the same for every model: prompts of prior
    for each feature.
    """

    def __init__(self, *, ridge: float = 1.0, discount: float = 0.9) -> None:
        self._ridge, self._discount = ridge, discount
        self._weight = 0.0
        self._sums: dict[str, np.ndarray] = {}
        """``x`` [d], ``xx`` [d, d], ``y`` [1], ``xy`` [d]: fading sums."""

    @property
    def fitted(self) -> bool:
        """True after the first update."""
        return self._weight > 0

    def update(self, features: np.ndarray, rates: np.ndarray) -> None:
        """Count one step's prompts.

        Args:
            features: [n, D] finite.
            rates: [n] in [0, 1].

        Raises:
            ValueError: if the width is not that of earlier updates.
        """
        x, y = reduced(features), np.asarray(rates, dtype=np.float64)
        fresh = {"x": x.sum(axis=0), "xx": x.T @ x, "y": y.sum(keepdims=True), "xy": y @ x}
        if self._sums and self._sums["x"].shape != fresh["x"].shape:
            raise ValueError(
                f"features of width {x.shape[1]} after {len(self._sums['x'])}: another model than the"
                " checkpoint's"
            )
        self._sums = {
            name: self._discount * self._sums.get(name, 0.0) + value for name, value in fresh.items()
        }
        self._weight = self._discount * self._weight + len(y)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """[n] rates in [0, 1] for features [n, D]; .5 before the first update."""
        if not self.fitted:
            return np.full(len(features), 0.5)
        mean, spread, rate, slope = self._solution()
        return np.clip(rate + (reduced(features) - mean) / spread @ slope, 0.0, 1.0)

    def _solution(self) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        """Mean and spread of the features [d], mean rate, slope [d] on standardised features."""
        mean, rate = self._sums["x"] / self._weight, float(self._sums["y"][0]) / self._weight
        covariance = self._sums["xx"] / self._weight - np.outer(mean, mean)
        variance = np.maximum(np.diag(covariance), 0.0)
        spread = np.sqrt(np.maximum(variance, SPREAD_FLOOR**2 * variance.mean() + np.finfo(float).tiny))
        joint = (self._sums["xy"] / self._weight - rate * mean) / spread
        penalty = self._ridge * len(mean) / self._weight
        slope = np.linalg.solve(covariance / np.outer(spread, spread) + penalty * np.eye(len(mean)), joint)
        return mean, spread, rate, slope

    def state_dict(self) -> dict[str, Any]:
        """JSON-able, exact."""
        return {"weight": self._weight, "sums": {name: encode(value) for name, value in self._sums.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._weight = state["weight"]
        self._sums = {name: decode(value) for name, value in state["sums"].items()}


def reduced(features: np.ndarray) -> np.ndarray:
    """[n, min(D, WIDTH)] float64 of features [n, D]."""
    values = np.asarray(features, dtype=np.float64)
    return values if values.shape[1] <= WIDTH else values @ _projection(values.shape[1])


@functools.lru_cache(maxsize=2)
def _projection(width: int) -> np.ndarray:
    """[width, WIDTH], the same in every process and run."""
    return np.random.default_rng([width, WIDTH]).standard_normal((width, WIDTH)) / np.sqrt(WIDTH)
