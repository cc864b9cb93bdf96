"""How many rollouts for each prompt: Knapsack RL (arXiv 2509.25849) with an exact solver.

See docs/methods/allocators.md#knapsack.
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.allocators.knapsack_solver import check_budget, minority_cost, solve, solve_published
from curricula.base import Allocation, Ctx, Curriculum
from curricula.drawing.uniform import equal_split
from curricula.prompts.estimates import category_rates
from curricula.traits import Trait

Positive = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True)
class Knapsack(Curriculum):
    """Rollouts where they are most likely to show both outcomes, at the total cost of equal groups.

    Prompts fall in four kinds: *unseen* (fewer than ``min_count`` rollouts) get the equal share; *unsolved*
    (pass rate 0) and *solved* (pass rate 1) get the floor; *effective* ones share the rest optimally, up to
    what they can use (``minority_cost``). What exceeds that goes to the unsolved, else to all that are not
    effective, else back to the optimiser. Unseen prompts are never taken for unsolvable.
    """

    floor: Positive = 2
    """Rollouts of any prompt, at least; below 2 a group can carry no group-relative gradient."""
    cap: Positive = 128
    """Rollouts of any prompt, at most."""
    min_count: Positive = 8
    """Rollouts before a pass rate counts."""
    pass_rate: Literal["pooled16", "last_visit", "decayed", "beta"] = "pooled16"
    """Estimate used for valuation. With ``beta`` (posterior mean) no prompt is ever solved or unsolved."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Probability of seeing the rarer outcome that an effective prompt may claim rollouts for."""
    unseen: Literal["equal", "category"] = "equal"
    """Unseen prompts get the equal share, or are valued by their category once that has ``min_count``
    rollouts. The second is not the paper's; it is for pools so large that most prompts of a plan are new."""
    allow_fallback: bool = True
    """Hand rollouts beyond the effective prompts' claims to the unsolved; False gives them to the
    optimiser."""
    compat_published_dp: bool = False
    """As released: the dynamic programme, which can be worse than optimal, and unseen prompts counted as
    unsolved in the fallback.

    Where every prompt is effective and there is a surplus the released code divides by zero; here the
    optimiser gets it.
    """

    def __post_init__(self) -> None:
        if self.cap < self.floor:
            raise ValueError(f"knapsack: cap={self.cap} is below floor={self.floor}")

    @property
    def traits(self) -> frozenset[Trait]:
        """The fallback is what favours the unsolved."""
        fallback = {Trait.FAVOURS_UNSOLVED} if self.allow_fallback else set()
        whole = {Trait.BUYS_RARE_OUTCOMES, Trait.UNEQUAL_GROUPS, Trait.VALUES_WHOLE_GROUPS}
        return frozenset(whole | fallback)

    def allocate(self, ctx: Ctx, indices: np.ndarray) -> Allocation:
        """Classify by the store's pass rates, then split the budget."""
        rates = ctx.store.pass_rate(indices, mode=self.pass_rate)
        valid = ctx.store.num_comparable(indices) >= self.min_count
        metrics = {"knapsack_unseen_ratio": float((~valid).mean())}
        if self.unseen == "category":
            of_category, known = category_rates(ctx, indices, min_count=self.min_count)
            rates = np.where(valid, rates, of_category)
            valid = valid | known
        counts, surplus = self.split(rates, valid, budget=ctx.rollout_budget)
        effective = valid & (rates > 0) & (rates < 1)
        metrics |= {
            "knapsack_effective_ratio": float(effective.mean()),
            "knapsack_effective_rollouts_ratio": float(counts[effective].sum() / ctx.rollout_budget),
            "knapsack_surplus_rollouts": float(surplus),
        }
        return Allocation(num_rollouts=counts, metrics=metrics)

    def split(self, rates: np.ndarray, valid: np.ndarray, *, budget: int) -> tuple[np.ndarray, int]:
        """[K] int64 rollouts for pass rates [K], and how many of them went to the fallback.

        Args:
            rates: [K] estimates in [0, 1]; ignored where not valid.
            valid: [K] bool, False for unseen prompts.
            budget: rollouts to hand out; met exactly.

        Raises:
            ValueError: if the budget lies outside [K * floor, K * cap].
        """
        check_budget(len(rates), budget=budget, floor=self.floor, cap=self.cap)
        effective = np.flatnonzero(valid & (rates > 0) & (rates < 1))
        unsolved = np.flatnonzero((valid & (rates <= 0)) | (~valid & self.compat_published_dp))
        others = np.flatnonzero(~valid | (rates <= 0) | (rates >= 1))
        counts = np.where(valid, self.floor, budget // len(rates)).astype(np.int64)
        rest = budget - int(counts.sum())
        if not effective.size:
            if not unsolved.size:
                return equal_split(budget, len(rates)), 0
            self._spread(counts, [unsolved, others], rest)
            return counts, rest
        surplus = self._surplus(rates[effective], rest) if self.allow_fallback and others.size else 0
        # What the optimiser cannot hold under the cap must go elsewhere, fallback or not.
        surplus = max(surplus, rest - effective.size * (self.cap - self.floor))
        left = self._spread(
            counts, [unsolved] if unsolved.size and self.allow_fallback else [others], surplus
        )
        held = self._spread(
            counts, [others], max(0, left + rest - surplus - effective.size * (self.cap - self.floor))
        )
        assert held == 0, "check_budget let through a budget that the caps cannot hold"
        spent_elsewhere = int(counts.sum()) - effective.size * self.floor
        solver = solve_published if self.compat_published_dp else solve
        counts[effective] = solver(
            rates[effective], budget=budget - spent_elsewhere, floor=self.floor, cap=self.cap
        )
        return counts, surplus - left

    def _surplus(self, rates: np.ndarray, rest: int) -> int:
        """Rollouts of ``rest`` beyond what the effective prompts claim."""
        claims = np.minimum(minority_cost(rates, confidence=self.confidence), self.cap).astype(np.int64)
        return max(0, rest - int(claims.sum()))

    def _spread(self, counts: np.ndarray, tiers: list[np.ndarray], amount: int) -> int:
        """Add ``amount`` evenly to the prompts of the first tier, under the cap, then to the next; returns
        what found no place."""
        for tier in tiers:
            while amount:
                room = tier[counts[tier] < self.cap]
                if not room.size:
                    break
                share = np.minimum(equal_split(amount, room.size), self.cap - counts[room])
                counts[room] += share
                amount -= int(share.sum())
        return amount
