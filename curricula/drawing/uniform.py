"""The baseline: every prompt once per epoch, the same number of rollouts for each."""

import functools

import numpy as np
from pydantic.dataclasses import dataclass

from curricula.base import Allocation, Ctx, Curriculum


@dataclass(frozen=True, kw_only=True)
class UniformSampler(Curriculum):
    """Seeded shuffle of each epoch; the cursor counts prompts since the start of the run, so nothing is
    skipped or repeated."""

    def draw(self, ctx: Ctx, cursor: int, num_prompts: int) -> tuple[np.ndarray, int]:
        """The next prompts in line, over as many epochs as it takes."""
        size = len(ctx.pool)
        end = cursor + num_prompts
        pieces = []
        while cursor < end:
            epoch, start = divmod(cursor, size)
            stop = min(size, start + end - cursor)
            pieces.append(_epoch_order(ctx.seed, epoch, size)[start:stop])
            cursor += stop - start
        return np.concatenate(pieces), end


@dataclass(frozen=True, kw_only=True)
class EqualAllocator(Curriculum):
    """The same group size for every prompt; a remainder goes to the first ones."""

    def allocate(self, ctx: Ctx, indices: np.ndarray) -> Allocation:
        """Budget divided by prompts."""
        return Allocation(num_rollouts=equal_split(ctx.rollout_budget, len(indices)))


def equal_split(budget: int, parts: int) -> np.ndarray:
    """[parts] int64 that differ by at most one and sum to the budget."""
    return budget // parts + (np.arange(parts) < budget % parts).astype(np.int64)


@functools.lru_cache(maxsize=2)
def _epoch_order(seed: int, epoch: int, size: int) -> np.ndarray:
    """[size] int64 permutation, a function of its arguments alone: the cursor is all there is to save."""
    return np.random.default_rng([seed, epoch, size]).permutation(size).astype(np.int64)
