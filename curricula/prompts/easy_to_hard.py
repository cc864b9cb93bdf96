"""Which prompts: easy ones first, harder ones with time.

See docs/methods/prompts.md#from-easy-to-hard.
"""

from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.prompts.easiest import Order, admitted, easiness, masked


@dataclass(frozen=True, kw_only=True)
class EasyToHard(Curriculum):
    """Draws evenly from the easiest share of the pool, which grows from ``start`` to all of it at ``full_at``
    of the run.

    share(x) = start + (1 - start) * (x / full_at)^power, x = step / total steps.
    """

    order: Order = "difficulty"
    """``difficulty`` as the task labels it, or ``pass_rate`` as observed."""
    start: Annotated[float, Field(gt=0, le=1)] = 0.25
    full_at: Annotated[float, Field(gt=0, le=1)] = 0.5
    power: Annotated[float, Field(gt=0)] = 1.0
    """1 is linear; below 1 harder prompts come sooner."""

    def share(self, ctx: Ctx) -> float:
        """Return the share of the pool that is open at plan ``ctx.step``."""
        progress = min(1.0, ctx.step / ctx.total_steps / self.full_at)
        return self.start + (1 - self.start) * progress**self.power

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] 0 for open prompts, -inf for the others."""
        return masked(admitted(easiness(ctx, indices, self.order), self.share(ctx)))

    def describe(self, ctx: Ctx, indices: np.ndarray) -> dict[str, float]:
        """Open share, and mean difficulty chosen."""
        return {
            "easy_to_hard_share": self.share(ctx),
            "easy_to_hard_difficulty": float(ctx.pool.difficulties[indices].mean()),
        }
