"""The common part of strategies with a scorer: draw, score, and stay within the budget."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from planner.strategies.base import Attempt, Policy, Score, Scorer, ScorerSpec
from planner.strategies.drawing import BudgetError, Drawer, Ledger
from planner.verifiers.verifier import VerifierSpec
from rollout.types import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Samples with their scores, and what they cost."""

    attempts: list[Attempt]
    scores: list[float]
    ledger: Ledger
    trace: list[dict[str, float]]


async def draw_scored(
    query: Prompt,
    policy: Policy,
    scorer: Scorer,
    budget_tokens: int,
    rng: np.random.Generator,
    *,
    k: int,
    batch: int,
    max_tokens: int,
    min_tokens: int,
) -> Scored:
    """At most ``k`` samples, each with its score, within the budget."""
    ledger = Ledger(budget_tokens)
    reserve = scorer.most_tokens(query, max_tokens)
    drawer = Drawer(
        query=query,
        policy=policy,
        ledger=ledger,
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        rng=rng,
        reserve=reserve,
    )
    out = Scored(attempts=[], scores=[], ledger=ledger, trace=[])
    while drawer.samples < k:
        attempts = await drawer.draw(min(batch, k - drawer.samples))
        if not attempts:
            break
        scores: Sequence[Score] = await scorer.score(query, attempts)
        if len(scores) != len(attempts) or any(s.tokens > reserve for s in scores):
            raise BudgetError(
                f"the scorer said at most {reserve} tokens for each of {len(attempts)} samples and did not"
                " keep to it"
            )
        ledger.charge(scorer=sum(s.tokens for s in scores))
        out.attempts.extend(attempts)
        out.scores.extend(s.value for s in scores)
        out.trace.append({"samples": drawer.samples, "tokens": ledger.spent.total, "best": max(out.scores)})
    return out


def separation(judge: VerifierSpec | ScorerSpec | None, name: str) -> float:
    """Distance d of two unit normals, right above wrong, whose overlap gives the scorer's AUC: sqrt(2) times
    its normal quantile.

    Raises:
        ValueError: ``judge`` is not a scorer.
    """
    if not isinstance(judge, ScorerSpec):
        raise ValueError(f"{name}: needs the scorer's quality (ScorerSpec), not {judge!r}")
    return float(np.sqrt(2) * norm.ppf(judge.auc))
