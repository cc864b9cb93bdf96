"""Samplers that weigh prompts by an estimate of their pass rate."""

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.traits import Trait
from rollout.statistics import PassRateMode

Rate = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class RateWeighted(Curriculum, ABC):
    """Base: reads the estimates, names the figures. A subclass says how they weigh."""

    label: ClassVar[str]
    """Prefix of its figures."""

    pass_rate: PassRateMode = "beta"
    """Estimate that is weighed. ``beta`` is the posterior mean of counts that fade as the policy moves on, so
    a prompt not visited for long drifts back to .5 and is tried again."""
    unseen: Rate = 0.5
    """Estimate of a prompt without observations: never seen is not unsolvable. What was seen under other
    length budgets counts as less and less (``curriculum.budget_discount``), and below one rollout as
    nothing."""

    @property
    def traits(self) -> frozenset[Trait]:
        """Visits are raw outcomes, however old."""
        raw = self.pass_rate in ("last_visit", "pooled16")
        return frozenset({Trait.UNDISCOUNTED_PASS_RATE} if raw else ())

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] log-weights from the estimates [K]."""
        return self.weigh(self.estimates(ctx, indices))

    @abstractmethod
    def weigh(self, rates: np.ndarray) -> np.ndarray:
        """[K] log-weights of pass rates [K] in [0, 1]."""

    def estimates(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] pass rates in [0, 1]."""
        rates = ctx.store.pass_rate(indices, mode=self.pass_rate)
        if self.pass_rate == "beta" and self.unseen == 0.5:
            return rates
        # A prompt seen so long ago that its counts have faded to 0 has no rate any more.
        known = self._seen(ctx, indices) & ~np.isnan(rates)
        return np.where(known, rates, self.unseen)

    def describe(self, ctx: Ctx, indices: np.ndarray) -> dict[str, float]:
        """Mean estimate of the prompts chosen, and how many of them were never seen."""
        return {
            f"{self.label}_estimate": float(self.estimates(ctx, indices).mean()),
            f"{self.label}_unseen_ratio": float((~self._seen(ctx, indices)).mean()),
        }

    def _seen(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] whether observations amount to one rollout under the present length budget."""
        return ctx.store.num_comparable(indices) >= 1


def category_rates(ctx: Ctx, indices: np.ndarray, *, min_count: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what the categories of prompts [K] say of them: [K] decayed pass rates, NaN where nothing was
    observed, and [K] bool whether the decayed counts amount to ``min_count`` rollouts."""
    rates = np.full(len(ctx.pool.category_names), np.nan)
    known = np.zeros(len(rates), dtype=bool)
    observed = ctx.store.categories()
    for code, name in enumerate(ctx.pool.category_names):
        if name in observed:
            rates[code] = observed[name].pass_rate
            known[code] = observed[name].successes + observed[name].failures >= min_count
    codes = ctx.pool.categories[indices]
    return rates[codes], known[codes]
