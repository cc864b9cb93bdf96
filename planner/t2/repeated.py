"""Repeated data: what a token is worth that was seen before (Muennighoff et al. 2023, arXiv 2305.16264).

See docs/methods/t2.md#repeated-data.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from planner.t2.chinchilla import ChinchillaLaw, fit_chinchilla
from planner.t2.rows import FamilyRows

PUBLISHED = 15.39
"""R* of the paper, in epochs after the first: web text, up to 9B weights and 1,500 epochs."""
RANGE = (0.05, 1000.0)
"""Between "a second epoch is worthless" and "epochs cost nothing at any number that was measured"."""
GRID = 25
NEAR = float(np.log(20.0))


def effective_tokens(tokens: ArrayLike, unique: ArrayLike, decay: float = PUBLISHED) -> np.ndarray:
    """D' = U + U R* (1 - exp(-R / R*)), R = D / U - 1 repetitions: distinct tokens that would be worth as
    much.

    Args:
        tokens: D, tokens drawn.
        unique: U, distinct tokens among them; at most D counts. Broadcasts.
        decay: R*, repetitions by which a repeated token has lost 1 - 1/e of its worth.

    Returns:
        D where nothing is repeated, and at most U (1 + R*).

    Raises:
        ValueError: tokens, unique or decay not above 0.
    """
    total, distinct = np.broadcast_arrays(
        np.asarray(tokens, dtype=np.float64), np.asarray(unique, dtype=np.float64)
    )
    if np.any(total <= 0) or np.any(distinct <= 0) or decay <= 0:
        raise ValueError("effective tokens: tokens, unique tokens and the decay R* must be above 0")
    distinct = np.minimum(distinct, total)
    repeats = total / distinct - 1
    return distinct * (1 + decay * -np.expm1(-repeats / decay))


def epochs_worth(share: float, decay: float = PUBLISHED) -> float:
    """Epochs after which another one is worth ``share`` of a first: 1 + R* log(1 / share)."""
    if not 0 < share <= 1:
        raise ValueError(f"share {share} lies in (0, 1]")
    return 1 + decay * float(np.log(1 / share))


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedLaw:
    """L = E + A N^-alpha + B D'^-beta. It never rises with D: a loss that does (memorised answers) is outside
    of it."""

    law: ChinchillaLaw
    decay: float
    """R*."""
    bounded: bool
    """R* lies on a limit of ``RANGE``: the data do not say, for example because little is repeated."""
    error: float
    """Sum of squares at the optimum."""

    def loss(self, params: ArrayLike, tokens: ArrayLike, unique: ArrayLike) -> np.ndarray:
        """L(N, D, U); broadcasts."""
        return self.law.loss(params, effective_tokens(tokens, unique, self.decay))


def fit_repeated(
    params: ArrayLike,
    tokens: ArrayLike,
    unique: ArrayLike,
    nll: ArrayLike,
    *,
    restarts: int = 20,
    seed: int = 0,
    start: RepeatedLaw | None = None,
) -> RepeatedLaw:
    """Least squares over checkpoints [R]: Chinchilla's law in D' for each R* of a grid, then finer around the
    best.

    Args:
        params: [R] N.
        tokens: [R] D.
        unique: [R] distinct tokens.
        nll: [R] loss, nats.
        restarts: of each fit of Chinchilla's law.
        seed: of the restarts.
        start: an earlier fit to begin from, in place of grid and restarts; R* stays within a factor of 20.

    Raises:
        ValueError: fewer than seven checkpoints (six parameters), or none with repeated data.
    """
    n, d, u, y = (np.asarray(x, dtype=np.float64) for x in (params, tokens, unique, nll))
    if len(y) < 7:
        raise ValueError(f"a law of 6 parameters needs at least 7 checkpoints, not {len(y)}")
    if not np.any(d > u * 1.001):
        raise ValueError("no checkpoint saw a token twice, so nothing says what repetition costs")
    law: ChinchillaLaw | None = None if start is None else start.law

    def error(log_decay: float) -> float:
        nonlocal law
        worth = effective_tokens(d, u, float(np.exp(log_decay)))
        law = fit_chinchilla(n, worth, y, restarts=restarts, seed=seed, start=law)
        return float(((law.loss(n, worth) - y) ** 2).sum())

    lowest, highest = (float(np.log(limit)) for limit in RANGE)
    if start is None:
        grid = np.linspace(lowest, highest, GRID)
        errors = [error(x) for x in grid]
        at = int(np.argmin(errors))
        low, high = grid[max(at - 1, 0)], grid[min(at + 1, GRID - 1)]
        law = None
        error(grid[at])
    else:
        centre = float(np.log(start.decay))
        low, high = max(centre - NEAR, lowest), min(centre + NEAR, highest)
    best = minimize_scalar(error, bounds=(low, high), method="bounded", options={"xatol": 1e-3})
    decay = float(np.exp(best.x))
    worth = effective_tokens(d, u, decay)
    found = fit_chinchilla(n, worth, y, restarts=restarts, seed=seed, start=None if start is None else law)
    near = 1.02
    bounded = decay < RANGE[0] * near or decay > RANGE[1] / near
    return RepeatedLaw(law=found, decay=decay, bounded=bounded, error=float(best.fun))


def with_effective_tokens(rows: FamilyRows, unique: ArrayLike, decay: float = PUBLISHED) -> FamilyRows:
    """The counts of checkpoints with D replaced by D', for the family surface and its optima: its D is then
    to be read as distinct tokens.

    Args:
        rows: J checkpoints.
        unique: [J] distinct tokens that each has seen.
        decay: R*.
    """
    return replace(rows, tokens=effective_tokens(rows.tokens, unique, decay))
