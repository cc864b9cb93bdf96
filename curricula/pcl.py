"""Which prompts: the ones of intermediate difficulty among random candidates (PCL, arXiv 2510.01135)."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx
from curricula.estimates import Rate, RateWeighted

SHARPNESS = 1e9
"""Makes the weighted draw pick the nearest candidates: a difference of 1e-7 in the pass rate outweighs the draw's noise."""


@dataclass(frozen=True, kw_only=True)
class IntermediatePrompts(RateWeighted):
    """Of ``candidates`` times as many random prompts as a plan needs, those with a pass rate nearest to the target.

    The paper estimates pass rates by a value head on the prompt, trained online. Here the estimate is the posterior mean of the
    prompt's own observations: free, but a prompt never seen counts as .5 and so as near the target; there is no value head. Equal
    distances are decided at random. Categories, if another part weighs them, are served from the candidates first.
    """

    label: ClassVar[str] = "pcl"
    target: Rate = 0.5
    candidates: Annotated[float, Field(ge=1)] = 4.0

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] -inf for all but the candidates."""
        wanted = min(len(indices), round(self.candidates * max(1, ctx.num_prompts)))
        chosen = ctx.rng("pcl candidates").choice(len(indices), size=wanted, replace=False)
        logits = np.full(len(indices), -np.inf)
        logits[chosen] = self.weigh(self.estimates(ctx, indices[chosen]))
        return logits

    def weigh(self, rates: np.ndarray) -> np.ndarray:
        """Distance to the target, sharp enough to be a ranking."""
        return -SHARPNESS * np.abs(rates - self.target)
