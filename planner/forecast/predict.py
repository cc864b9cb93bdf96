"""pass@k beyond the samples that were drawn, with an interval, and what other models of difficulty say beside
it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from planner.estimators.beta_binomial import fit_gated
from planner.estimators.counts import checked
from planner.estimators.power_law import fit_exponentiated, has_slope
from planner.forecast.grid import cell_pass_at_k
from planner.forecast.join import joined, measured
from planner.forecast.posterior import Draws, Outcomes, ShapePrior, coverage, difficulty, draw, outcomes
from planner.forecast.reference import shipped

Problems = Literal["these", "like these"]
_GRID = np.linspace(0, 1, 1001)
_NEGLIGIBLE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A forecast of pass@k."""

    k: float
    value: float
    """Posterior mean, joined to the unbiased figures of k <= n (``join``): over k it never falls and never
    bends upwards."""
    low: float
    high: float
    """Credible limits; they contain the value. They hold if difficulty is distributed as the family and the
    reference allow; see ``models`` if in doubt."""
    models: Mapping[str, float]
    """Forecasts of other models fitted to the same counts: ``beta_binomial``, ``zero_inflated`` and, where
    some k <= n has a slope, ``power_law``; beyond n at least the last measured figure. How far they lie apart
    is how much hangs on the model."""

    @property
    def model_interval(self) -> tuple[float, float]:
        """Lowest and highest of the value and all models."""
        said = [self.value, *self.models.values()]
        return min(said), max(said)


def forecast(
    counts: ArrayLike,
    k: float,
    *,
    prior: ShapePrior | Literal["shipped"] | None = "shipped",
    confidence: float = 0.95,
    problems: Problems = "these",
) -> Forecast:
    """Mean pass@k over problems, for any k, from their counts.

    The difficulty distribution is a posterior over a three-parameter family (``family``), given the counts
    and, by ``prior``, how pass@k curves of other models grow (``reference``). Deterministic.

    Args:
        counts: [M, 2] rows (n, c); n may differ, be 0, and be the result of adaptive sampling (``spending``).
        k: samples that count, real, at least 1; up to the smallest n the value is that of
            ``planner.estimators.pass_at_k``.
        prior: ``"shipped"`` for the packaged reference, a ``Reference`` of your own, or None for the family
            alone.
        confidence: of (low, high).
        problems: ``"these"``: the mean over the problems counted, whose interval shrinks as each is sampled
            more; ``"like these"``: over the population they were drawn from.

    Raises:
        ValueError: k < 1, or counts that are none.
    """
    trials, right = _rows(counts)
    if not k >= 1:
        raise ValueError(f"k is {k}: it must be 1 or more")
    seen = outcomes(trials, right)
    draws = draw(seen, shipped() if prior == "shipped" else prior)
    mean, variance = _target(draws, seen, k, problems)
    end = measured(trials, right)
    value = joined(end, difficulty(draws, seen if problems == "these" else None))(k)
    low, high = limits(draws.weight, mean, variance, confidence)
    least = end.value if end is not None and k > end.last else 0.0
    models = {name: max(least, said) for name, said in alternatives(trials, right, k).items()}
    return Forecast(k=k, value=value, low=min(low, value), high=max(high, value), models=models)


def alternatives(n: ArrayLike, c: ArrayLike, k: float) -> dict[str, float]:
    """pass@k by models that know nothing of other populations; each is biased on real counts
    (docs/planner_estimators.md).

    The power law is fitted to pass@k for k <= every n, and is left out where fewer than two such k have a
    pass@k between 0 and 1.
    """
    fits = fit_gated(n, c)
    said = {"beta_binomial": fits.plain.pass_at_k(k), "zero_inflated": fits.inflated.pass_at_k(k)}
    if has_slope(n, c):
        said["power_law"] = fit_exponentiated(n, c).pass_at_k(k)
    return said


def _rows(counts: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    table = np.asarray(counts)
    if table.ndim != 2 or table.shape[1] != 2:
        raise ValueError(f"counts of shape {table.shape}: rows (n, c) are needed, one for each problem")
    return checked(table[:, 0], table[:, 1])


def _target(draws: Draws, seen: Outcomes, k: float, problems: Problems) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance [S] under each draw."""
    if problems == "these":
        return coverage(draws, seen, k)
    mean = draws.density @ cell_pass_at_k(k)
    return mean, np.zeros_like(mean)


def limits(
    weight: np.ndarray, mean: np.ndarray, variance: np.ndarray, confidence: float
) -> tuple[float, float]:
    """Quantiles of the mixture of normals that the draws make, within [0, 1]."""
    heavy = weight > _NEGLIGIBLE * weight.max()
    spread = np.sqrt(np.maximum(variance[heavy], 1e-10))
    below = ndtr((_GRID[:, None] - mean[heavy]) / spread) @ weight[heavy]
    tail = (1 - confidence) / 2
    low, high = np.interp([tail, 1 - tail], below / below[-1], _GRID)
    return float(low), float(high)
