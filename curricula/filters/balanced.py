"""Keep groups whose pass rate lies in a band around one half.

See docs/methods/filters.md#balanced-filtering.
"""

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import TRAIN, Ctx, Curriculum, FilterDecision
from curricula.filters.mixed import ALL_CORRECT, ALL_WRONG
from curricula.traits import Trait
from rollout.types import RolloutGroup

Rate = Annotated[float, Field(ge=0, le=1)]
TOO_HARD = FilterDecision(action="drop", reason="too_hard")
TOO_EASY = FilterDecision(action="drop", reason="too_easy")
ROUNDING = 1e-9
"""``low * G`` in floating point may lie a rounding error beside a whole number."""


@dataclass(frozen=True, kw_only=True)
class Balanced(Curriculum):
    """Balanced online difficulty filtering (arXiv 2504.03380): train iff ``low <= k / G <= high`` for k right
    of G rollouts.

    The possible improvement is bounded below by ``p (1 - p) / (2 beta^2)``, which is largest at p = 1/2.
    Refills (``stream.refill_rounds``) keep the batch full while the next plan is already being sampled. The
    source we have does not say whether the bounds belong to the band: ``inclusive`` does.
    """

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.DROPS_MIXED_GROUPS, Trait.DROPS_ALL_WRONG})

    low: Rate = 0.2
    high: Rate = 0.8
    inclusive: bool = True
    """Whether a pass rate on a bound trains."""

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(
                f"balanced: low={self.low:g} must be below high={self.high:g}; .2 and .8 are usual"
            )

    def filter_group(self, ctx: Ctx, group: RolloutGroup) -> FilterDecision:
        """By raw correctness; the reason says on which side the group fell out."""
        correct, size = group.num_correct, len(group.rollouts)
        margin = ROUNDING if self.inclusive else -ROUNDING
        if correct < self.low * size - margin:
            return TOO_HARD if correct else ALL_WRONG
        if correct > self.high * size + margin:
            return TOO_EASY if correct < size else ALL_CORRECT
        return TRAIN
