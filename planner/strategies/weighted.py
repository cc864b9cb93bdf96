"""Weighted vote: scores summed by answer (docs/methods/strategies.md#weighted-vote)."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

from planner.belief.posterior import Posterior
from planner.strategies.base import Expected, Policy, Result, Scorer, ScorerSpec, TokenCost
from planner.strategies.majority import winner_of
from planner.strategies.nodes import posterior_nodes, sample_tokens
from planner.strategies.scored import draw_scored, separation
from planner.verifiers.verifier import VerifierSpec
from rollout.types import Prompt

_DRAWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedVote:
    """``k`` samples; the answer whose samples score most in sum wins. Scores count from 0: negative ones are
    no vote."""

    name: ClassVar[str] = "weighted_vote"
    k: int
    max_tokens: int
    answer_of: Callable[[str], str | None]
    batch: int = 1
    min_tokens: int = 1
    agreement: float = 1.0
    """Share of wrong samples that agree, for ``expected``."""

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
        votes: dict[str, float] = defaultdict(float)
        best: dict[str, tuple[float, str]] = {}
        for attempt, score in zip(drawn.attempts, drawn.scores, strict=True):
            answer = self.answer_of(attempt.text)
            if answer is None:
                continue
            votes[answer] += max(score, 0.0)
            if answer not in best or score > best[answer][0]:
                best[answer] = (score, attempt.text)
        winner = winner_of(dict(votes), rng)
        return Result(
            answer=None if winner is None else best[winner][1],
            samples=len(drawn.scores),
            tokens=drawn.ledger.spent,
            accepted=False,
            trace=[*drawn.trace, {"votes": dict(votes)}],
        )

    def expected(
        self, posterior: Posterior, cost: TokenCost, judge: VerifierSpec | ScorerSpec | None
    ) -> Expected:
        """By simulation (standard error below .004), fixed seed.

        Scores are sigmoids of normals set apart by the scorer's AUC and centred between the two, so that a
        score is the probability of being right at even odds; wrong samples agree with probability
        ``agreement`` and are alone otherwise.
        """
        d = separation(judge, self.name)
        p, weight = posterior_nodes(posterior)
        rng = np.random.default_rng(0)
        success = rng.choice(p, size=_DRAWS, p=weight / weight.sum())
        right = rng.random((_DRAWS, self.k)) < success[:, None]
        rival = ~right & (rng.random(right.shape) < self.agreement)
        score = expit(d * (rng.standard_normal(right.shape) + np.where(right, d / 2, -d / 2)))
        for_it = (score * right).sum(axis=1)
        against = np.maximum((score * rival).sum(axis=1), (score * (~right & ~rival)).max(axis=1))
        correct = float(((for_it > against) + 0.5 * ((for_it == against) & (for_it > 0))).mean())
        tokens = cost.prefill + self.k * (float(weight @ sample_tokens(p, cost)) + cost.score)
        return Expected(correct=correct, wrong=1 - correct, tokens=tokens)
