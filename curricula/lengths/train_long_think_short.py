"""Train Long, Think Short: a length budget that falls in levels.

See docs/methods/lengths.md#train-long-think-short.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx
from curricula.lengths.length_budget import LengthBudget
from curricula.lengths.length_rewards import well_formed
from curricula.lengths.length_schedules import exponential, interpolated
from rollout.types import RolloutGroup

Tokens = Annotated[float, Field(ge=1)]


@dataclass(frozen=True, kw_only=True)
class TrainLongThinkShort(LengthBudget):
    """Decaying budget with a length reward around it (arXiv 2508.08940); a prompt can name it by ``{budget}``
    in its template.

    With ``gamma`` and ``every`` the schedule is the paper's ``start * gamma^floor(step / every)``; without,
    the budget falls in ``decays`` levels of equal duration from ``start`` to ``final``. The paper does not
    print all its weights; correctness 1 with length .5 is its correctness-heavy regime (.6, .3) up to a
    factor.
    """

    schedule: Literal["exponential", "linear"] = "exponential"
    start: Tokens | None = None
    """Tokens; None takes the longest that rollout.max_tokens lets one see: all of it in hard mode, else
    half."""
    final: Tokens | None = None
    """Tokens; None takes ``final_share`` of the start."""
    final_share: Annotated[float, Field(gt=0, le=1)] = 0.34
    """The paper ends at 87 of 256."""
    decays: Annotated[int, Field(ge=1)] = 3
    gamma: Annotated[float, Field(gt=0, le=1)] | None = None
    every: Annotated[int, Field(ge=1)] | None = None
    """Steps between decays, with ``gamma`` only."""
    correctness_weight: Annotated[float, Field(gt=0)] = 1.0
    """Weight of the task's reward."""
    format_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of well-formed think and answer tags, half of it each."""

    def __post_init__(self) -> None:
        if (self.gamma is None) != (self.every is None):
            raise ValueError(
                "train_long_think_short: gamma and every go together; leave both out to fall in decays levels"
            )
        if self.gamma is not None and (self.schedule == "linear" or self.final is not None):
            raise ValueError(
                "train_long_think_short: gamma is for schedule=exponential and says where it ends; leave out"
                " final"
            )
        if self.start is not None and self.final is not None and self.final > self.start:
            raise ValueError(
                f"train_long_think_short: final={self.final:g} is above start={self.start:g}; budgets fall"
            )

    def budget(self, ctx: Ctx) -> float:
        """B at ``ctx.step``."""
        start = self.longest(ctx) if self.start is None else self.start
        if self.gamma is not None and self.every is not None:
            return exponential(ctx.step, start=start, gamma=self.gamma, every=self.every)
        final = max(1.0, self.final_share * start) if self.final is None else min(self.final, start)
        linear = self.schedule == "linear"
        return interpolated(
            ctx.step, start=start, final=final, decays=self.decays, total_steps=ctx.total_steps, linear=linear
        )

    def shape(self, ctx: Ctx, group: RolloutGroup) -> Mapping[str, np.ndarray]:
        """``length``, ``format``, and the difference that another weight of the task's reward makes."""
        parts = dict(super().shape(ctx, group))
        if self.format_weight:
            parts["format"] = self.format_weight * np.array(
                [well_formed(group.prompt, r.text) for r in group.rollouts]
            )
        if self.correctness_weight != 1:
            parts["correctness_weight"] = (self.correctness_weight - 1) * group.rewards
        return parts
