"""Which prompts: difficulty-targeted selection (DOTS, arXiv 2506.05316).

See docs/methods/prompts.md#dots.
"""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.prompts.estimates import Rate, RateWeighted


@dataclass(frozen=True, kw_only=True)
class DifficultyTargeted(RateWeighted):
    """P(prompt) proportional to exp(-|p - target| / temperature).

    The paper predicts p of prompts without rollouts from their likeness to a few with; here p comes from the
    prompt's own observations only, and a prompt without any counts as ``unseen``. Its replay of past rollouts
    is not part of this sampler.
    """

    label: ClassVar[str] = "dots"
    target: Rate = 0.5
    temperature: Annotated[float, Field(gt=0)] = 0.1

    def weigh(self, rates: np.ndarray) -> np.ndarray:
        """Distance to the target over the temperature."""
        distance = rates - self.target
        np.abs(distance, out=distance)
        distance /= -self.temperature
        return distance
