"""Which prompts: the ones of intermediate difficulty among random candidates (PCL, arXiv 2510.01135).

See docs/methods/prompts.md#pcl.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx
from curricula.prompts.estimates import Rate, RateWeighted
from curricula.prompts.judged_candidates import JudgedCandidates
from curricula.prompts.rate_head import RateHead
from rollout.types import RolloutStat

SHARPNESS = 1e9
"""Makes the weighted draw pick the nearest candidates: a difference of 1e-7 in the pass rate outweighs the
draw's noise."""


@dataclass(frozen=True, kw_only=True)
class IntermediatePrompts(RateWeighted):
    """Take those with a pass rate nearest to the target, of ``candidates`` times as many random prompts as a
    plan needs.

    Two sources of the pass rate. ``posterior``: the posterior mean of the prompt's own observations, which
    costs nothing, but a prompt never seen counts as ``unseen`` and so as near the target. ``value_head``, as
    in the paper: a regression on the policy's last hidden state at the prompt's end, which judges a prompt
    never seen by the ones like it. The learner prefills each plan's prompts and the next candidates after
    every step; the head learns from all groups, kept or dropped, and a plan chooses from the newest
    candidates that were judged. Until there are some the posterior decides.

    Equal distances are decided at random. Categories, if another part weighs them, are served from the
    candidates first.
    """

    label: ClassVar[str] = "pcl"
    target: Rate = 0.5
    candidates: Annotated[float, Field(ge=1)] = 4.0
    source: Literal["posterior", "value_head"] = "posterior"
    ridge: Annotated[float, Field(gt=0)] = 1.0
    """Ridge of the value head: prompts of prior for each feature."""
    head_discount: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Discount of the value head: weight of what it learnt one step ago."""

    def __post_init__(self) -> None:
        head = RateHead(ridge=self.ridge, discount=self.head_discount)
        object.__setattr__(self, "_judged", JudgedCandidates(head))

    @property
    def judged(self) -> JudgedCandidates:
        """The value head's; nothing in it without one."""
        found = self.__dict__["_judged"]
        assert isinstance(found, JudgedCandidates)
        return found

    @property
    def signal_columns(self) -> tuple[str, ...]:
        """Hidden states, for the head."""
        return ("hidden",) if self.source == "value_head" else ()

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] -inf for all but the candidates."""
        if self.judged.rates:
            rates = self.judged.predictions(len(ctx.pool))[indices]
            return np.where(np.isnan(rates), -np.inf, self.weigh(rates))
        chosen = self._draw_candidates(ctx, len(indices))
        logits = np.full(len(indices), -np.inf)
        logits[chosen] = self.weigh(self.estimates(ctx, indices[chosen]))
        return logits

    def weigh(self, rates: np.ndarray) -> np.ndarray:
        """Distance to the target, sharp enough to be a ranking."""
        return -SHARPNESS * np.abs(rates - self.target)

    def wanted_signals(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> np.ndarray:
        """The plan's prompts, to learn from, and candidates to judge."""
        if self.source == "posterior" or ctx.step < 0:
            return super().wanted_signals(ctx, stats)
        seen = [ctx.store.index_of(stat.prompt_id) for stat in stats]
        return np.concatenate([np.array(seen, dtype=np.int64), self._draw_candidates(ctx, len(ctx.pool))])

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """The value head's update; without one nothing."""
        if self.source == "value_head" and ctx.step >= 0:
            self.judged.learn(ctx, stats, self._draw_candidates(ctx, len(ctx.pool)))

    def _draw_candidates(self, ctx: Ctx, size: int) -> np.ndarray:
        wanted = min(size, round(self.candidates * max(1, ctx.num_prompts)))
        return ctx.rng("pcl candidates").choice(size, size=wanted, replace=False)

    def describe(self, ctx: Ctx, indices: np.ndarray) -> dict[str, float]:
        """Also the mean prediction of the prompts chosen, where a value head chose them."""
        rates = self.judged.predictions(len(ctx.pool))[indices] if self.judged.rates else np.array([np.nan])
        predicted = {} if np.isnan(rates).all() else {"pcl_predicted": float(np.nanmean(rates))}
        return {**super().describe(ctx, indices), **predicted}

    def metrics(self) -> dict[str, float]:
        """How far the value head was off on the last plan's groups before it learnt from them, and the
        version that it read."""
        return {f"pcl_{name}": value for name, value in self.judged.figures.items()}

    def state_dict(self) -> dict[str, Any]:
        """Nothing without a value head."""
        return self.judged.state_dict() if self.source == "value_head" else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave.

        Raises:
            ValueError: if the checkpoint is of the other source.
        """
        if bool(state) != (self.source == "value_head"):
            raise ValueError(
                f"the checkpoint's pcl had another source than {self.source}: set args.source back, or start"
                " a new run"
            )
        if state:
            self.judged.load_state_dict(state)
