"""Which category: by size at one temperature first, then at another (Cooldown, arXiv 2410.04579).

See docs/methods/categories.md#cooldown.
"""

from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum

Temperature = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, kw_only=True)
class Cooldown(Curriculum):
    """P(c) proportional to (number of prompts of c)^(1 / temperature); not a decoding temperature.

    A high temperature first brings small categories up; going down to 1, shares by size, keeps them from
    being over-fitted.
    """

    first: Temperature = 5.0
    """Temperature of the first stage."""
    then: Temperature = 1.0
    """Temperature of the second stage."""
    switch_at: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the run's steps in the first stage."""

    def category_logits(self, ctx: Ctx) -> np.ndarray:
        """[C] log size over the stage's temperature."""
        sizes = np.array([len(members) for members in ctx.pool.by_category], dtype=np.float64)
        return np.log(sizes) / self.temperature(ctx)

    def temperature(self, ctx: Ctx) -> float:
        """The stage's temperature at plan ``ctx.step``."""
        return self.first if ctx.step < self.switch_at * ctx.total_steps else self.then

    def describe(self, ctx: Ctx, indices: np.ndarray) -> dict[str, float]:
        """The stage."""
        return {"cooldown_temperature": self.temperature(ctx)}
