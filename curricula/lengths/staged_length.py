"""How long: longer from stage to stage of a run (POLARIS).

See docs/methods/filters.md#polaris.
"""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.traits import Trait

Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class StagedLength(Curriculum):
    """Completions are limited to ``shares[i] * rollout.max_tokens`` in the i-th of equal stages, without a
    reward for length.

    After POLARIS (its README), which trains a stage, drops what became easy (``polaris``) and goes on with
    longer responses. The temperature that it tunes anew for each stage stays the run's: counts of different
    temperatures are never pooled, so every stage would begin without statistics.
    """

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.SETS_LENGTH_TARGET})

    shares: Annotated[tuple[Share, ...], Field(min_length=2)] = (0.5, 0.75, 1.0)
    """Shares of rollout.max_tokens, one for each stage, in rising order."""

    def __post_init__(self) -> None:
        if list(self.shares) != sorted(set(self.shares)):
            raise ValueError(
                f"staged_length: shares={list(self.shares)} do not rise; dynamic_budget and length make"
                " budgets fall"
            )

    def length_budget(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] the stage's limit."""
        stage = min(ctx.step * len(self.shares) // max(ctx.total_steps, 1), len(self.shares) - 1)
        return np.full(len(indices), max(1, int(self.shares[stage] * ctx.max_tokens)), dtype=np.int64)
