"""Which prompts: an easiest share of the pool that grows and shrinks in cycles (cyclical curriculum
learning).

See docs/methods/prompts.md#cyclical-curriculum.
"""

from bisect import bisect_right
from itertools import accumulate
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.prompts.easiest import Order, admitted, easiness, masked

Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class Cyclical(Curriculum):
    """Draws evenly from the easiest share, which runs through ``cycle``; each share lasts in proportion to
    its size.

    The original samples in proportion to 1 / loss of a trained model inside the whole set; here easiness is
    the pass rate, and the share is a quantile of it. The schedule is laid over the run, so ``epochs`` fixes
    how many cycles it holds.
    """

    order: Order = "pass_rate"
    low: Share = 0.25
    """Smallest share; the first one."""
    high: Share = 1.0
    """Largest share."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """From one share to the next: divided by it going up, multiplied coming down."""
    epochs: Annotated[float, Field(gt=0)] = 5.0
    """The shares of a run sum to at least this."""

    def __post_init__(self) -> None:
        if self.high < self.low:
            raise ValueError(f"cyclical: high={self.high} is below low={self.low}")

    def share(self, ctx: Ctx) -> float:
        """Return the share of the pool that is open at plan ``ctx.step``."""
        shares = cycle(self.low, self.high, self.factor, self.epochs)
        ends = list(accumulate(shares))
        return shares[min(len(shares) - 1, bisect_right(ends, ctx.step / ctx.total_steps * ends[-1]))]

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] 0 for open prompts, -inf for the others."""
        return masked(admitted(easiness(ctx, indices, self.order), self.share(ctx)))

    def describe(self, ctx: Ctx, indices: np.ndarray) -> dict[str, float]:
        """Open share."""
        return {"cyclical_share": self.share(ctx)}


def cycle(low: float, high: float, factor: float, total: float) -> list[float]:
    """Shares from ``low`` up to ``high`` by 1 / factor, down to ``low`` by factor, and so on until they sum
    to ``total``."""
    shares, rising = [low], True
    while sum(shares) < total:
        share = min(shares[-1] / factor, high) if rising else max(shares[-1] * factor, low)
        rising = share < high if rising else share <= low
        shares.append(share)
    return shares
