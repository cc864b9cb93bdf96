"""CurES (arXiv 2510.01037): prompts and rollouts from the spread of the gradient that a prompt gives.

See docs/methods/allocators.md#cures-allocation and docs/methods/prompts.md#cures-sampling.
"""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.allocators.knapsack_solver import check_budget
from curricula.allocators.proportional import proportional_split
from curricula.base import Allocation, Ctx, Curriculum
from curricula.drawing.uniform import equal_split
from curricula.prompts.estimates import RateWeighted
from curricula.traits import Trait
from rollout.statistics import PassRateMode

Positive = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True)
class CuresSampler(RateWeighted):
    """P(prompt) proportional to exp(sqrt(p (1-p)) / temperature), p the posterior mean from a Beta(1, 1).

    The paper resets posteriors for each of 15 subsets of the data and warms them up; here they fade with the
    policy version. The released code divides by a temperature of 100 and more, which is uniform in effect,
    and is not followed.
    """

    label: ClassVar[str] = "cures_sampler"
    temperature: Annotated[float, Field(gt=0)] = 0.1

    def weigh(self, rates: np.ndarray) -> np.ndarray:
        """Standard deviation of an outcome over the temperature."""
        spread = rates * (1 - rates)
        np.sqrt(spread, out=spread)
        spread /= self.temperature
        return spread


@dataclass(frozen=True, kw_only=True)
class CuresAllocator(Curriculum):
    """Rollouts in proportion to the standard deviation of a prompt's gradient, above a floor.

    Correct and wrong rollouts are taken to have equal gradient norms and no difference in mean, so that it is
    sqrt(p (1-p)). Prompts with fewer than ``warmup`` rollouts get ``warmup`` (the equal share if that is
    less); a plan of nothing else is split evenly, as is what the caps of the others cannot hold.
    """

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.UNEQUAL_GROUPS})

    floor: Positive = 2
    """Rollouts of any prompt, at least."""
    cap: Positive = 128
    """Rollouts of any prompt, at most."""
    warmup: Positive = 4
    """Rollouts before a posterior counts."""
    pass_rate: PassRateMode = "beta"

    def __post_init__(self) -> None:
        if self.cap < self.floor:
            raise ValueError(f"cures: cap={self.cap} is below floor={self.floor}")

    def allocate(self, ctx: Ctx, indices: np.ndarray) -> Allocation:
        """Warm-up for prompts without a posterior, the rest in proportion."""
        known = ctx.store.num_comparable(indices) >= self.warmup
        counts = self.split(
            ctx.store.pass_rate(indices, mode=self.pass_rate), known, budget=ctx.rollout_budget
        )
        shares = {
            "cures_warmup_ratio": float((~known).mean()),
            "cures_warmup_rollouts": float(counts[~known].sum()),
        }
        return Allocation(num_rollouts=counts, metrics=shares)

    def split(self, rates: np.ndarray, known: np.ndarray, *, budget: int) -> np.ndarray:
        """[K] int64 rollouts in [floor, cap] with sum ``budget`` for pass rates [K], ignored where not known
        [K].

        Raises:
            ValueError: if the budget lies outside [K * floor, K * cap].
        """
        size, num_known = len(rates), int(known.sum())
        check_budget(size, budget=budget, floor=self.floor, cap=self.cap, name="cures")
        if not num_known:
            return equal_split(budget, size)
        warm = min(max(self.warmup, self.floor), budget // size, self.cap)
        # What the known prompts cannot hold under their caps stays with the others.
        others = max(warm * (size - num_known), budget - num_known * self.cap)
        counts = np.zeros(size, dtype=np.int64)
        counts[~known] = equal_split(others, size - num_known) if num_known < size else 0
        deviations = gradient_std(np.clip(rates[known], 0.0, 1.0))
        counts[known] = proportional_split(
            deviations, budget=budget - others, floor=self.floor, cap=self.cap, name="cures"
        )
        return counts


def gradient_std(
    p: np.ndarray, *, norm_correct: float = 1.0, norm_wrong: float = 1.0, gap: float | np.ndarray = 0.0
) -> np.ndarray:
    """[K] standard deviation of a prompt's policy gradient, up to a common factor.

    sigma^2 = p (1-p)^2 E|g_c|^2 + p^2 (1-p) E|g_w|^2 - p^2 (1-p)^2 |mean g_c - mean g_w|^2, where g is the
    gradient of the log-probability of a correct or a wrong rollout. Equal norms and no gap give sqrt(p
    (1-p)); measured norms are not available to a curriculum here.

    Args:
        p: [K] pass rates.
        norm_correct: root mean square norm of g_c.
        norm_wrong: root mean square norm of g_w.
        gap: norm of the difference of the mean gradients.
    """
    q = 1.0 - p
    return np.sqrt(
        np.maximum(p * q**2 * norm_correct**2 + p**2 * q * norm_wrong**2 - (p * q * gap) ** 2, 0.0)
    )
