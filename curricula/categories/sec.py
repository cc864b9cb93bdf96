"""Which category: Self-Evolving Curriculum (arXiv 2505.14970), a bandit whose arms are the pool's
categories.

See docs/methods/categories.md#sec.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.categories.advantage_magnitude import Magnitude, category_magnitudes
from curricula.drawing.weighted import softmax
from curricula.traits import Trait
from rollout.types import RolloutStat


@dataclass(kw_only=True, eq=False)
class SelfEvolving(Curriculum):
    """P(c) = softmax(Q / temperature), Q(c) <- rate * r(c) + (1 - rate) * Q(c) from Q = 0, r(c) how much c
    taught in the last plan.

    r is read from raw outcomes over all groups, kept or dropped, so that a filter does not hide a category
    that teaches nothing. Prompts inside a category are drawn afresh at every step; ``within="walk"`` goes
    through a shuffled list of each, as the released code does. For arms over several features give the task's
    rows a joint category.
    """

    rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Step of the TD(0) update, alpha in the paper."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """1.0 for Countdown, 0.4 for MATH and 0.2 for two features in the released scripts."""
    decay_unseen: bool = True
    """Categories without a group in a plan are updated with 0, as the released code does; False keeps their
    value."""
    reward: Magnitude = "std"
    """See ``curricula.categories.advantage_magnitude``."""
    within: Literal["fresh", "walk"] = "fresh"
    """How the prompts of a category come, unless another part weighs them."""

    def __post_init__(self) -> None:
        self._values: dict[str, float] = {}

    @property
    def traits(self) -> frozenset[Trait]:
        """GRPO's |A| of one success is .75 in a group of 4 and .36 in one of 28."""
        walks = {Trait.WALKS_CATEGORIES} if self.within == "walk" else set()
        by_size = {Trait.SIZE_DEPENDENT_MAGNITUDE} if self.reward == "grpo" else set()
        return frozenset({Trait.VALUES_WHOLE_GROUPS, *walks, *by_size})

    def category_logits(self, ctx: Ctx) -> np.ndarray:
        """[C] values over the temperature."""
        return np.array([self._values.get(name, 0.0) for name in ctx.pool.category_names]) / self.temperature

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """One update from one plan; a plan without groups says nothing."""
        if not stats:
            return
        magnitudes = category_magnitudes(stats, self.reward)
        unseen = dict.fromkeys(self._values, 0.0) if self.decay_unseen else {}
        for category, magnitude in (unseen | magnitudes).items():
            self._values[category] = self.rate * magnitude + (1 - self.rate) * self._values.get(category, 0.0)

    def metrics(self) -> dict[str, float]:
        """Value and probability of each category that was seen."""
        shares = softmax(np.array(list(self._values.values())) / self.temperature) if self._values else ()
        return {f"sec_value/{name}": value for name, value in self._values.items()} | {
            f"sec_share_of_seen/{name}": float(share)
            for name, share in zip(self._values, shares, strict=True)
        }

    def state_dict(self) -> dict[str, Any]:
        """Values by category name."""
        return {"values": dict(self._values)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._values = dict(state["values"])
