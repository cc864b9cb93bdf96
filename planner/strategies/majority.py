"""Majority vote, stopped once the leader is settled (docs/methods/strategies.md#majority-vote)."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from planner.allocation.stopping import SETTLED, settled
from planner.allocation.voting import vote_table
from planner.belief.posterior import Posterior
from planner.strategies.base import Expected, Policy, Result, ScorerSpec, TokenCost
from planner.strategies.drawing import Drawer, Ledger
from planner.strategies.nodes import posterior_nodes, sample_tokens
from planner.verifiers.verifier import VerifierSpec
from rollout.types import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class MajorityVote:
    """At most ``k`` samples; the most frequent answer wins, ties are broken at random."""

    name: ClassVar[str] = "majority"
    k: int
    max_tokens: int
    answer_of: Callable[[str], str | None]
    """Canonical answer of a completion; None = it gives none, and its vote is lost."""
    batch: int = 1
    threshold: float = SETTLED
    """Posterior probability that the leader is the true mode at which drawing stops; above 1 it never
    does."""
    min_tokens: int = 1
    agreement: float = 1.0
    """Share of wrong samples that agree, for ``expected``; 1 is the worst case."""

    async def run(
        self, query: Prompt, policy: Policy, judge: None, budget_tokens: int, rng: np.random.Generator
    ) -> Result:
        """See ``Strategy.run``; needs no judge."""
        ledger = Ledger(budget_tokens)
        drawer = Drawer(
            query=query,
            policy=policy,
            ledger=ledger,
            max_tokens=self.max_tokens,
            min_tokens=self.min_tokens,
            rng=rng,
        )
        votes: Counter[str] = Counter()
        texts: dict[str, str] = {}
        trace = []
        certain = False
        while drawer.samples < self.k and not certain:
            attempts = await drawer.draw(min(self.batch, self.k - drawer.samples))
            if not attempts:
                break
            for attempt in attempts:
                answer = self.answer_of(attempt.text)
                if answer is not None:
                    votes[answer] += 1
                    texts.setdefault(answer, attempt.text)
            first, second = (*sorted(votes.values(), reverse=True)[:2], 0, 0)[:2]
            certain = settled(first, second, threshold=self.threshold)
            trace.append({"samples": drawer.samples, "votes": dict(votes), "settled": certain})
        winner = winner_of(dict(votes), rng)
        answer_text = None if winner is None else texts[winner]
        return Result(
            answer=answer_text, samples=drawer.samples, tokens=ledger.spent, accepted=certain, trace=trace
        )

    def expected(
        self, posterior: Posterior, cost: TokenCost, judge: VerifierSpec | ScorerSpec | None
    ) -> Expected:
        """Right answers against the likeliest wrong one, drawn one by one (rounds larger than 1 draw a little
        more)."""
        if judge is not None:
            raise ValueError(f"{self.name}: asks no judge, got {judge!r}")
        p, weight = posterior_nodes(posterior)
        table = vote_table(k_max=self.k, agreement=self.agreement, threshold=self.threshold)
        right, drawn = (np.interp(p, table.p, column[:, -1]) for column in (table.correct, table.samples))
        correct = float(weight @ np.where(p == 0, 0.0, right))
        return Expected(
            correct=correct,
            wrong=1 - correct,
            tokens=cost.prefill + float(weight @ (drawn * sample_tokens(p, cost))),
        )


def winner_of(votes: dict[str, float], rng: np.random.Generator) -> str | None:
    """The answer with most votes, ties at random; None if there is no vote."""
    if not votes:
        return None
    best = max(votes.values())
    tied = sorted(answer for answer, count in votes.items() if count >= best - 1e-12 * abs(best))
    return tied[int(rng.integers(len(tied)))]
