"""Soft overlong punishment as a curriculum part: against the limit that a group was really sampled under.

See docs/methods/lengths.md#overlong-punishment.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.lengths.length_rewards import overlong
from curricula.traits import Trait
from rollout.types import RolloutGroup


@dataclass(frozen=True, kw_only=True)
class Overlong(Curriculum):
    """A slope before the length limit instead of a cliff at it (DAPO, arXiv 2503.14476, eq. 13).

    ``algorithm.shaping`` has the same punishment for runs whose limit is ``rollout.max_tokens`` throughout;
    here the limit is the group's own, so it follows a length budget. Both at once would punish twice and are
    refused.
    """

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.PUNISHES_OVERLONG, Trait.SHAPES_LENGTH})

    buffer_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Last share of the limit over which the punishment rises."""
    penalty: Annotated[float, Field(gt=0)] = 1.0
    """At the limit."""

    def shape(self, ctx: Ctx, group: RolloutGroup) -> Mapping[str, np.ndarray]:
        """``overlong`` [G], at most 0."""
        lengths = np.array([len(r.completion.token_ids) for r in group.rollouts], dtype=np.float64)
        return {
            "overlong": (
                self.penalty
                * overlong(lengths, limit=group.sampling.max_tokens, buffer_share=self.buffer_share)
            )
        }
