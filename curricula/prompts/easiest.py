"""The easiest share of a pool: what curricula from easy to hard admit. Pure functions.

See docs/methods/prompts.md#from-easy-to-hard.
"""

from typing import Literal

import numpy as np

from curricula.base import Ctx

Order = Literal["difficulty", "pass_rate"]


def easiness(ctx: Ctx, indices: np.ndarray, order: Order) -> np.ndarray:
    """[K] larger for easier prompts: minus the difficulty, or the posterior mean pass rate, ties decided by
    difficulty."""
    levels = ctx.pool.difficulties[indices].astype(np.float64)
    if order == "difficulty":
        return -levels
    # Too small to reorder pass rates that differ by an observation, large enough for float64.
    return ctx.store.pass_rate(indices, mode="beta") - 1e-9 * levels


def admitted(scores: np.ndarray, share: float) -> np.ndarray:
    """[K] bool, True for the ``share`` (0, 1] of the prompts with the largest scores, at least one; ties with
    the last are in."""
    count = max(1, round(share * len(scores)))
    return scores >= np.partition(scores, len(scores) - count)[len(scores) - count]


def masked(mask: np.ndarray) -> np.ndarray:
    """[K] log-weights: 0 where True, -inf elsewhere."""
    return np.where(mask, 0.0, -np.inf)
