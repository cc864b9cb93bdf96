"""Draws from what counts say about the difficulty distribution: importance sampling in rounds, deterministic,
a few tens of ms."""

from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from scipy.special import logsumexp
from scipy.stats import chi2, norm

from planner.forecast.family import HIGH, LOW, densities, low_discrepancy
from planner.forecast.grid import cell_pass_at_k, likelihood

ROUNDS = (512, 512, 512, 1024)
_HEAVY = 5.0
_LEAST = 24.0


class ShapePrior(Protocol):
    """A prior on difficulty distributions."""

    def log_prior(self, density: np.ndarray) -> np.ndarray:
        """[S] of densities [S, G], up to a constant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Counts as a histogram over distinct (n, c)."""

    multiplicity: np.ndarray
    """[U] problems with each."""
    kernel: np.ndarray
    """[U, G], see ``grid.likelihood``."""


def outcomes(n: np.ndarray, c: np.ndarray) -> Outcomes:
    """From n [M], c [M]."""
    pairs, multiplicity = np.unique(np.stack([n, c], axis=1), axis=0, return_counts=True)
    return Outcomes(multiplicity=multiplicity, kernel=likelihood(pairs[:, 0], pairs[:, 1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Weighted difficulty distributions."""

    density: np.ndarray
    """[S, G]."""
    weight: np.ndarray
    """[S], sums to 1."""

    @property
    def effective_number(self) -> float:
        """1 / sum of squared weights."""
        return float(1 / (self.weight**2).sum())


def draw(counts: Outcomes, prior: ShapePrior | None) -> Draws:
    """The posterior under the flat prior of ``family`` times ``prior``.

    The first round spreads points over the whole box. Each later one draws from a Student-like cloud around
    what the one before found, so that large data sets, whose posterior is small, are still met by hundreds of
    draws. Only the last is kept.
    """
    points = LOW + (HIGH - LOW) * low_discrepancy(ROUNDS[0])
    proposal = np.zeros(len(points))
    for size in ROUNDS[1:]:
        target, _ = _log_target(points, counts, prior)
        points, proposal = _sample_t(points, target - proposal, size)
    target, density = _log_target(points, counts, prior)
    log = target - proposal
    return Draws(density=density, weight=np.exp(log - logsumexp(log)))


def coverage(draws: Draws, counts: Outcomes, k: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance [S] of pass@k over these problems, given their outcomes and each difficulty
    distribution.

    The problems are fixed and their p unknown, so the variance is that of the p given the outcomes, summed
    over problems.
    """
    gain = cell_pass_at_k(k)
    share = draws.density @ counts.kernel.T + 1e-300
    mean = draws.density @ (counts.kernel * gain).T / share
    square = draws.density @ (counts.kernel * gain**2).T / share
    each = counts.multiplicity / counts.multiplicity.sum()
    return mean @ each, np.maximum(square - mean**2, 0.0) @ each / counts.multiplicity.sum()


def difficulty(draws: Draws, counts: Outcomes | None = None) -> np.ndarray:
    """[G] mean difficulty distribution: of the population, or of these problems given their outcomes.
    ``difficulty @ cell_pass_at_k(k)`` is the posterior mean of pass@k."""
    if counts is None:
        return draws.weight @ draws.density
    share = draws.density @ counts.kernel.T + 1e-300
    each = counts.multiplicity / counts.multiplicity.sum()
    return np.einsum("sg,sg->g", draws.density, (draws.weight[:, None] * each / share) @ counts.kernel)


def _log_target(
    points: np.ndarray, counts: Outcomes, prior: ShapePrior | None
) -> tuple[np.ndarray, np.ndarray]:
    density = densities(points)
    log = np.log(density @ counts.kernel.T + 1e-300) @ counts.multiplicity
    if prior is not None:
        log = log + prior.log_prior(density)
    return np.where(np.all((points >= LOW) & (points <= HIGH), axis=1), log, -np.inf), density


def _sample_t(points: np.ndarray, log: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """``size`` draws of a multivariate t with mean and covariance of the weighted points, and their log
    density."""
    weights = _tempered(log)
    centre = weights @ points
    spread = (weights[:, None] * (points - centre)).T @ (points - centre)
    root = np.linalg.cholesky(spread + 1e-4 * np.eye(len(centre)))
    z = _student(size, len(centre))
    return centre + z @ root.T, -0.5 * (_HEAVY + len(centre)) * np.log1p((z**2).sum(axis=1) / _HEAVY)


@cache
def _student(size: int, dimensions: int) -> np.ndarray:
    """[size, dimensions] evenly spread points of the standard multivariate t."""
    cube = np.clip(low_discrepancy(size, dimensions + 1), 1e-9, 1 - 1e-9)
    return norm.ppf(cube[:, :-1]) * np.sqrt(_HEAVY / chi2.ppf(cube[:, -1:], _HEAVY))


def _tempered(log: np.ndarray) -> np.ndarray:
    """Weights exp(log) to the largest power of 1, .7, .49, ... that rests on ``_LEAST`` points: the raw ones
    may rest on one."""
    power = 1.0
    while True:
        weights = np.exp(power * log - logsumexp(power * log))
        if 1 / (weights**2).sum() >= _LEAST:
            return weights
        power *= 0.7
