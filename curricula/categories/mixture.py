"""Which category: fixed shares by name."""

from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.pool import PromptPool

Weight = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Mixture(Curriculum):
    """Draws categories in proportion to ``weights``; without any, in equal shares."""

    weights: dict[str, Weight] = Field(default_factory=dict)
    """Category name -> share; need not sum to 1."""
    others: Weight | None = None
    """Share of each category that ``weights`` leaves out; None = it must leave none out."""

    def __post_init__(self) -> None:
        if self.weights and not sum(self.weights.values()) + (self.others or 0) > 0:
            raise ValueError(
                f"mixture: weights {self.weights} are all 0, so nothing would be drawn; give one category a"
                " share"
            )

    def check_pool(self, pool: PromptPool) -> None:
        """Names must be the pool's, and all of them unless ``others`` is set."""
        unknown = sorted(set(self.weights) - set(pool.category_names))
        if unknown:
            raise ValueError(
                f"args.weights names {unknown}, but the prompts' categories are {list(pool.category_names)}"
            )
        missing = sorted(set(pool.category_names) - set(self.weights))
        if self.weights and missing and self.others is None:
            raise ValueError(
                f"args.weights leaves out {missing}: add them, or set args.others to the share that each of"
                " them gets"
            )
        if self.weights and not self._shares(pool).sum() > 0:
            raise ValueError(
                "args.weights give every category of the pool a share of 0; give one of them more"
            )

    def category_logits(self, ctx: Ctx) -> np.ndarray:
        """[C] log shares, -inf for a share of 0."""
        with np.errstate(divide="ignore"):
            return np.log(self._shares(ctx.pool))

    def _shares(self, pool: PromptPool) -> np.ndarray:
        default = (self.others or 0.0) if self.weights else 1.0
        return np.array([self.weights.get(name, default) for name in pool.category_names])
