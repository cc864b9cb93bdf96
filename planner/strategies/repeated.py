"""Repeated sampling with a verifier: draw until one is accepted, at most k times.

See docs/methods/strategies.md#repeated-sampling.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from planner.belief.posterior import Posterior
from planner.strategies.base import Expected, Policy, Result, ScorerSpec, TokenCost, Verifier
from planner.strategies.drawing import Drawer, Ledger
from planner.strategies.nodes import posterior_nodes, sample_tokens
from planner.verifiers.verifier import VerifierSpec
from rollout.types import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedSampling:
    """At most ``k`` samples, ``batch`` at a time; the first accepted is the answer, none accepted is no
    answer."""

    name: ClassVar[str] = "repeated_sampling"
    k: int
    max_tokens: int
    batch: int = 1
    """Samples drawn together before the verifier is asked: 1 is sequential, ``k`` parallel."""
    min_tokens: int = 1

    async def run(
        self, query: Prompt, policy: Policy, judge: Verifier, budget_tokens: int, rng: np.random.Generator
    ) -> Result:
        """See ``Strategy.run``."""
        ledger = Ledger(budget_tokens)
        drawer = Drawer(
            query=query,
            policy=policy,
            ledger=ledger,
            max_tokens=self.max_tokens,
            min_tokens=self.min_tokens,
            rng=rng,
        )
        trace = []
        while drawer.samples < self.k:
            attempts = await drawer.draw(min(self.batch, self.k - drawer.samples))
            if not attempts:
                break
            verdicts = list(await judge.accepts(query, attempts))
            trace.append(
                {
                    "samples": len(attempts),
                    "tokens": sum(a.tokens for a in attempts),
                    "accepted": sum(verdicts),
                }
            )
            if any(verdicts):
                answer = attempts[verdicts.index(True)].text
                return Result(
                    answer=answer, samples=drawer.samples, tokens=ledger.spent, accepted=True, trace=trace
                )
        return Result(answer=None, samples=drawer.samples, tokens=ledger.spent, accepted=False, trace=trace)

    def expected(
        self, posterior: Posterior, cost: TokenCost, judge: VerifierSpec | ScorerSpec | None
    ) -> Expected:
        """``judge``: the verifier's measured error rates. Rounds are drawn whole, the first accepted of one
        is returned."""
        if not isinstance(judge, VerifierSpec):
            raise ValueError(f"{self.name}: needs the verifier's error rates (VerifierSpec), not {judge!r}")
        p, weight = posterior_nodes(posterior)
        accepts = judge.fpr + p * (judge.tpr - judge.fpr)
        alive = (1 - accepts)[:, None] ** np.arange(self.k)
        starts = np.arange(0, self.k, self.batch)
        drawn = alive[:, starts] @ np.minimum(self.batch, self.k - starts)
        reached = alive.sum(axis=1)
        return Expected(
            correct=float(weight @ (p * judge.tpr * reached)),
            wrong=float(weight @ ((1 - p) * judge.fpr * reached)),
            tokens=cost.prefill + float(weight @ (drawn * sample_tokens(p, cost))),
        )
