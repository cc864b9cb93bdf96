"""DAPO's dynamic sampling: only groups that differ within themselves train.

See docs/methods/filters.md#dynamic-sampling.
"""

from typing import Literal

from pydantic.dataclasses import dataclass

from curricula.base import TRAIN, Ctx, Curriculum, FilterDecision
from curricula.filters.mixed import ALL_CORRECT, ALL_WRONG, MixedOutcomes
from curricula.traits import Trait
from rollout.types import RolloutGroup


@dataclass(frozen=True, kw_only=True)
class DynamicSampling(Curriculum):
    """Drops groups without spread; ``stream.refill_rounds`` replaces them, and says so when a batch stays
    short (arXiv 2503.14476).

    Unlike the released code it never throws surplus groups away (refills ask for exactly what is missing),
    never cuts a batch by rows, and ends a step with a short batch, not the run, where the rounds are used up.
    A group of one has no spread and is dropped: its group-relative advantage is zero.
    """

    metric: Literal["correct", "reward"] = "correct"
    """Spread of what: raw correctness, or the task's reward value (a shaped reward gives groups a spread that
    says nothing about being right)."""

    @property
    def traits(self) -> frozenset[Trait]:
        """By ``metric``."""
        reads = {Trait.JUDGES_REWARD} if self.metric == "reward" else set()
        return frozenset({Trait.DROPS_ALL_WRONG, *reads})

    def filter_group(self, ctx: Ctx, group: RolloutGroup) -> FilterDecision:
        """Train if the metric is not the same for all rollouts."""
        if self.metric == "correct":
            return MixedOutcomes(partial_credit=False).filter_group(ctx, group)
        rewards = group.rewards
        if rewards.min() < rewards.max():
            return TRAIN
        if group.mixed:
            return FilterDecision(action="drop", reason="equal_rewards")
        return ALL_CORRECT if group.num_correct else ALL_WRONG
