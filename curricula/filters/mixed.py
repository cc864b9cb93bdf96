"""Keep only groups that carry a group-relative gradient.

See docs/methods/filters.md#dynamic-sampling.
"""

from typing import ClassVar

from pydantic.dataclasses import dataclass

from curricula.base import TRAIN, Ctx, Curriculum, FilterDecision
from curricula.traits import Trait
from rollout.types import RolloutGroup

ALL_CORRECT = FilterDecision(action="drop", reason="all_correct")
ALL_WRONG = FilterDecision(action="drop", reason="all_wrong")


@dataclass(frozen=True, kw_only=True)
class MixedOutcomes(Curriculum):
    """Drops groups whose raw outcomes are all the same (dynamic sampling of DAPO, arXiv 2503.14476), but for
    partial credit.

    Raw correctness, not reward, where it says anything: a length bonus would give an all-correct group a
    spread that says nothing about being right. Where nothing in a group is right, correctness says nothing,
    and a graded reward may: such a group stays if its rewards (the task's, before the curriculum adds to
    them) differ. With rewards of 0 and 1 that never happens.
    """

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.DROPS_ALL_WRONG})

    partial_credit: bool = True
    """Keep a group without success whose rewards differ; False for correctness alone."""

    def filter_group(self, ctx: Ctx, group: RolloutGroup) -> FilterDecision:
        """Train if at least one rollout is right and one is wrong, or none is right and the rewards
        differ."""
        if group.mixed:
            return TRAIN
        if self.partial_credit and not group.num_correct and len(set(group.rewards.tolist())) > 1:
            return TRAIN
        return ALL_CORRECT if group.num_correct else ALL_WRONG
