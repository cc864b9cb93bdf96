"""The common part of every falling length budget: limits that save tokens, and rewards around the budget.

See docs/methods/lengths.md#train-long-think-short.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.lengths.length_rewards import falling, triangular
from curricula.traits import Trait
from rollout.types import RolloutGroup

RAMP = 2
"""Triangular and band rewards end at this many budgets, so sampling further could not change them."""


@dataclass(frozen=True, kw_only=True)
class LengthBudget(Curriculum):
    """A budget B(step) for every prompt; subclasses say what it is (``budget``).

    ``mode`` decides what it does: ``hard`` limits completions to B tokens and adds no reward; ``triangular``
    and ``band`` limit them to ceil(2 B), behind which their reward is 0 anyway, and add it as the component
    ``length``.
    """

    mode: Literal["triangular", "band", "hard"] = "triangular"
    weight: Annotated[float, Field(ge=0)] = 0.5
    """Weight of the length reward, beside a correctness of weight 1."""
    only_if_correct: bool = False
    """No length reward for wrong answers. Published: False, so a wrong answer of the right length earns as
    much as a right one's length does, and in a group without success length is all there is to learn."""

    @property
    def traits(self) -> frozenset[Trait]:
        """A reward for length only where there is one."""
        pays = {Trait.SHAPES_LENGTH} if self.mode != "hard" and self.weight > 0 else set()
        return frozenset({Trait.SETS_LENGTH_TARGET, *pays})

    def budget(self, ctx: Ctx) -> float:
        """B in tokens at ``ctx.step``."""
        raise NotImplementedError

    def longest(self, ctx: Ctx) -> float:
        """The largest B whose effect the run's limit lets one see."""
        return ctx.max_tokens if self.mode == "hard" else max(1.0, ctx.max_tokens / RAMP)

    def shown_budget(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] floor(B), for prompts that say it."""
        return np.full(len(indices), max(1, math.floor(self.budget(ctx))), dtype=np.int64)

    def length_budget(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] the limit that the mode draws from B."""
        budget = self.budget(ctx)
        limit = math.floor(budget) if self.mode == "hard" else math.ceil(RAMP * budget)
        return np.full(len(indices), max(1, limit), dtype=np.int64)

    def shape(self, ctx: Ctx, group: RolloutGroup) -> Mapping[str, np.ndarray]:
        """``length`` [G]."""
        if Trait.SHAPES_LENGTH not in self.traits:
            return {}
        lengths = np.array([len(r.completion.token_ids) for r in group.rollouts], dtype=np.float64)
        reward = triangular if self.mode == "triangular" else falling
        paid = np.array([r.result.correct or not self.only_if_correct for r in group.rollouts])
        return {"length": self.weight * np.where(paid, reward(lengths, self.budget(ctx)), 0.0)}
