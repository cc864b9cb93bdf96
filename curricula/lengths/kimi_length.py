"""Kimi's length reward: shorter than the rest of the group is better, if it is right.

See docs/methods/lengths.md#kimis-length-reward.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.lengths.length_rewards import relative_to_group
from curricula.traits import Trait
from rollout.types import RolloutGroup


@dataclass(frozen=True, kw_only=True)
class KimiLength(Curriculum):
    """Length reward of Kimi k1.5 (arXiv 2501.12599, section 2.3.3): none during the warm-up, then constant.

    Right answers earn up to +weight/2 and lose as much for being longest; wrong ones never earn. The scale is
    the group's own: a spread of one token is worth as much as one of a thousand. A group without success
    would learn nothing but to be short, so it is left alone unless ``in_all_wrong`` (published: True). The
    weight is not printed in the paper.
    """

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.SHAPES_LENGTH})

    weight: Annotated[float, Field(gt=0)] = 0.2
    warmup_share: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of the run before the penalty begins."""
    in_all_wrong: bool = False

    def shape(self, ctx: Ctx, group: RolloutGroup) -> Mapping[str, np.ndarray]:
        """``kimi_length`` [G]; 0 while warming up."""
        lengths = np.array([len(r.completion.token_ids) for r in group.rollouts], dtype=np.float64)
        correct = np.array([r.result.correct for r in group.rollouts])
        silent = ctx.step < self.warmup_share * ctx.total_steps or not (correct.any() or self.in_all_wrong)
        return {
            "kimi_length": (
                np.zeros(len(lengths)) if silent else self.weight * relative_to_group(lengths, correct)
            )
        }
