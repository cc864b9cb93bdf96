"""Keep only groups that carry a group-relative gradient."""

from typing import ClassVar

from pydantic.dataclasses import dataclass

from curricula.base import TRAIN, Ctx, Curriculum, Verdict
from rollout.types import RolloutGroup

ALL_CORRECT = Verdict(action="drop", reason="all_correct")
ALL_WRONG = Verdict(action="drop", reason="all_wrong")


@dataclass(frozen=True, kw_only=True)
class MixedOutcomes(Curriculum):
    """Drops groups whose raw outcomes are all the same (dynamic sampling of DAPO, arXiv 2503.14476).

    Raw correctness, not reward: a length bonus would give an all-correct group a spread that says nothing about being right.
    """

    drops_all_wrong: ClassVar[bool] = True

    def verdict(self, ctx: Ctx, group: RolloutGroup) -> Verdict:
        """Train if at least one rollout is right and one is wrong."""
        if group.mixed:
            return TRAIN
        return ALL_CORRECT if group.num_correct else ALL_WRONG
