"""Drawing samples under a hard token budget."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from planner.strategies.base import Attempt, Policy, Tokens
from rollout.types import Prompt


class BudgetError(RuntimeError):
    """A policy or scorer used more tokens than it said it could."""


@dataclass(slots=True)
class Ledger:
    """A budget and what is left of it."""

    budget: int
    spent: Tokens = field(default_factory=Tokens)

    @property
    def left(self) -> int:
        """Tokens."""
        return self.budget - self.spent.total

    def charge(self, *, prefill: int = 0, decode: int = 0, scorer: int = 0) -> None:
        """Book tokens.

        Raises:
            BudgetError: the budget would be overdrawn: whoever used them broke its own bound.
        """
        self.spent.prefill += prefill
        self.spent.decode += decode
        self.spent.scorer += scorer
        if self.left < 0:
            raise BudgetError(
                f"{self.spent.total} tokens used of a budget of {self.budget}: a bound on tokens was broken"
            )


@dataclass(slots=True, kw_only=True)
class Drawer:
    """Samples one query round by round, never promising more than the ledger holds."""

    query: Prompt
    policy: Policy
    ledger: Ledger
    max_tokens: int
    min_tokens: int
    """A sample that could not get this many is not begun."""
    rng: np.random.Generator
    reserve: int = 0
    """Tokens held back for each sample (its score)."""
    samples: int = 0

    async def draw(self, n: int) -> Sequence[Attempt]:
        """At most ``n`` samples: as many as fit with ``max_tokens`` each, or one shorter one; none if that
        does not fit either."""
        prefill = 0 if self.samples and self.policy.caches_prompts else len(self.query.token_ids)
        room = self.ledger.left - prefill
        each = self.max_tokens + self.reserve
        count, limit = min(n, room // each), self.max_tokens
        if count < 1:
            count, limit = 1, room - self.reserve
            if limit < self.min_tokens:
                return []
        seed = int(self.rng.integers(2**31 - 1))
        attempts = await self.policy.sample(self.query, count, max_tokens=limit, seed=seed)
        if len(attempts) != count or any(a.tokens > limit for a in attempts):
            raise BudgetError(
                f"the policy was asked for {count} samples of at most {limit} tokens and did not keep to it"
            )
        self.samples += count
        self.ledger.charge(prefill=prefill, decode=sum(a.tokens for a in attempts))
        return attempts
