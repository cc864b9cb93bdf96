"""Best of n: the sample with the highest score (docs/methods/strategies.md#best-of-n)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.stats import norm

from planner.belief.posterior import Posterior
from planner.strategies.base import Expected, Policy, Result, Scorer, ScorerSpec, TokenCost
from planner.strategies.nodes import posterior_nodes, sample_tokens
from planner.strategies.scored import draw_scored, separation
from planner.verifiers.verifier import VerifierSpec
from rollout.types import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOfN:
    """``k`` samples, the one that scores highest is the answer; ties are broken at random."""

    name: ClassVar[str] = "best_of_n"
    k: int
    max_tokens: int
    batch: int = 1
    min_tokens: int = 1

    async def run(
        self, query: Prompt, policy: Policy, judge: Scorer, budget_tokens: int, rng: np.random.Generator
    ) -> Result:
        """See ``Strategy.run``; ``judge`` is a scorer."""
        limits = {
            "k": self.k,
            "batch": self.batch,
            "max_tokens": self.max_tokens,
            "min_tokens": self.min_tokens,
        }
        drawn = await draw_scored(query, policy, judge, budget_tokens, rng, **limits)
        answer = None
        if drawn.scores:
            scores = np.array(drawn.scores)
            answer = drawn.attempts[int(rng.choice(np.flatnonzero(scores == scores.max())))].text
        return Result(
            answer=answer,
            samples=len(drawn.scores),
            tokens=drawn.ledger.spent,
            accepted=False,
            trace=list(drawn.trace),
        )

    def expected(
        self, posterior: Posterior, cost: TokenCost, judge: VerifierSpec | ScorerSpec | None
    ) -> Expected:
        """Scores of right and wrong samples taken as normal with equal spread, set apart so as to give the
        scorer's AUC."""
        d = separation(judge, self.name)
        p, weight = posterior_nodes(posterior)
        x = np.linspace(-8, 8 + d, 801)
        below = p[:, None] * norm.cdf(x - d) + (1 - p)[:, None] * norm.cdf(x)
        density = self.k * p[:, None] * norm.pdf(x - d) * below ** (self.k - 1)
        correct = float(weight @ np.trapezoid(density, x, axis=1))
        tokens = cost.prefill + self.k * (float(weight @ sample_tokens(p, cost)) + cost.score)
        return Expected(correct=correct, wrong=1 - correct, tokens=tokens)
