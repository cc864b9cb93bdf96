"""A budget that decays smoothly to a floor (Reinforcement Mid-Training).

See docs/methods/lengths.md#dynamic-budget.
"""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx
from curricula.lengths.length_budget import LengthBudget
from curricula.lengths.length_schedules import continuous

Tokens = Annotated[float, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, kw_only=True)
class DynamicBudget(LengthBudget):
    """``max(least, start * gamma^(step / per))`` with the triangular length reward (arXiv 2509.24375).

    The rest of that method (tokens chosen by entropy, next-token rewards) belongs to mid-training and is not
    here; the exponent is not clear in the source we have, and its constants are unknown.
    """

    start: Tokens | None = None
    """Tokens; None takes the longest that rollout.max_tokens lets one see: all of it in hard mode, else
    half."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.5
    per_share: Positive = 0.5
    """Share of the run in which the budget falls by gamma."""
    per_steps: Positive | None = None
    """The same in steps; takes the place of ``per_share``."""
    least: Tokens = 8
    """Tokens."""

    def __post_init__(self) -> None:
        if self.start is not None and self.least > self.start:
            raise ValueError(
                f"dynamic_budget: least={self.least:g} is above start={self.start:g}; budgets fall"
            )

    def budget(self, ctx: Ctx) -> float:
        """B at ``ctx.step``."""
        start = self.longest(ctx) if self.start is None else self.start
        per = max(1.0, self.per_share * ctx.total_steps) if self.per_steps is None else self.per_steps
        return continuous(ctx.step, start=start, gamma=self.gamma, per=per, least=min(self.least, start))
