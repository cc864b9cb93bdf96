"""Which prompts: those that fail, within limits (prioritised sampling of Kimi k1.5, arXiv 2501.12599
§2.3).

See docs/methods/prompts.md#prioritised-sampling.
"""

from typing import ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from curricula.prompts.estimates import Rate, RateWeighted
from curricula.traits import Trait
from rollout.statistics import PassRateMode


@dataclass(frozen=True, kw_only=True)
class Prioritized(RateWeighted):
    """P(prompt) proportional to 1 - s, mixed with a uniform share, and capped where nothing ever succeeded.

    1 - s alone sends most of the mass to prompts that are impossible or mislabelled. The cap holds for the
    probabilities; a step that draws a large part of the pool without replacement may exceed it, having
    nothing else to draw.
    """

    label: ClassVar[str] = "prioritized"
    pass_rate: PassRateMode = "decayed"
    uniform_share: Rate = 0.1
    """Probability that a prompt is drawn without regard to s; keeps solved prompts in sight."""
    unsolved_cap: Rate = 0.25
    """Most of the probability that prompts seen without any success may hold together."""

    @property
    def traits(self) -> frozenset[Trait]:
        """Weights are largest at s = 0."""
        return super().traits | {Trait.FAVOURS_UNSOLVED}

    def weigh(self, rates: np.ndarray) -> np.ndarray:
        """[K] log-probabilities."""
        shares = 1.0 - rates
        total = float(shares.sum())
        shares *= (1 - self.uniform_share) / total if total > 0 else 0.0
        shares += self.uniform_share / len(rates) if total > 0 else 1 / len(rates)
        unsolved = rates <= 0
        held, rest = float(shares.sum(where=unsolved)), float(shares.sum(where=~unsolved))
        if self.unsolved_cap < held and rest > 0:
            # Divided first: a quotient of a tiny share may be infinite.
            shares /= np.where(unsolved, held, rest)
            shares *= np.where(unsolved, self.unsolved_cap, 1 - self.unsolved_cap)
        with np.errstate(divide="ignore"):
            return np.log(shares, out=shares)
