"""Decode strategies on a scripted policy: budgets, early stops, what is promised against what happens."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.belief.posterior import Posterior
from planner.strategies import STRATEGIES, BestOfN, MajorityVote, RepeatedSampling, WeightedVote
from planner.strategies.base import Attempt, Expected, Result, Score, ScorerSpec, TokenCost
from planner.strategies.drawing import BudgetError
from planner.verifiers.verifier import VerifierSpec
from rollout.types import Prompt

QUERY = Prompt(id="q", text="?", token_ids=(1, 2, 3), answer="right")


@dataclass
class Dice:
    """Right with probability p; wrong answers are spread over ``kinds``; lengths are uniform in [1,
    longest]."""

    p: float
    kinds: int = 1
    longest: int = 10
    caches_prompts: bool = True
    calls: list[tuple[int, int]] = field(default_factory=list)

    async def sample(
        self, prompt: Prompt, n: int, *, max_tokens: int, seed: int, prefix: Sequence[int] = ()
    ) -> list[Attempt]:
        rng = np.random.default_rng(seed)
        self.calls.append((n, max_tokens))
        out = []
        for _ in range(n):
            length = int(rng.integers(1, self.longest + 1))
            right, kind = rng.random() < self.p, rng.integers(self.kinds)
            cut = length > max_tokens
            text = "" if cut else ("right" if right else f"wrong {kind}")
            out.append(Attempt(text=text, tokens=min(length, max_tokens), truncated=cut))
        return out


@dataclass
class Checker:
    spec: VerifierSpec = field(default_factory=VerifierSpec)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))

    async def accepts(self, prompt: Prompt, attempts: Sequence[Attempt]) -> list[bool]:
        rates = [self.spec.tpr if a.text == prompt.answer else self.spec.fpr for a in attempts]
        return [bool(self.rng.random() < rate) for rate in rates]


@dataclass
class Judge:
    """Right answers score from N(d, 1), wrong ones from N(0, 1), each through a sigmoid; reads what it
    scores."""

    d: float = 2.0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(6))

    def most_tokens(self, prompt: Prompt, attempt_tokens: int) -> int:
        return len(prompt.token_ids) + attempt_tokens

    async def score(self, prompt: Prompt, attempts: Sequence[Attempt]) -> list[Score]:
        values = [self.rng.normal(self.d if a.text == prompt.answer else 0) - self.d / 2 for a in attempts]
        return [
            Score(value=float(1 / (1 + np.exp(-self.d * v))), tokens=len(prompt.token_ids) + a.tokens)
            for v, a in zip(values, attempts, strict=True)
        ]


def answer_of(text: str) -> str | None:
    return text or None


def strategy(name: str, k: int, batch: int) -> tuple[Any, Any]:
    common: dict[str, Any] = {"k": k, "batch": batch, "max_tokens": 10}
    if name in ("majority", "weighted_vote"):
        common["answer_of"] = answer_of
    judge = {"repeated_sampling": Checker(), "majority": None}.get(name, Judge())
    return STRATEGIES[name](**common), judge


def run(one: Any, policy: Dice, judge: Any, budget: int, seed: int = 0) -> Result:
    return asyncio.run(one.run(QUERY, policy, judge, budget, np.random.default_rng(seed)))


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(sorted(STRATEGIES)),
    st.integers(0, 120),
    st.integers(1, 12),
    st.integers(1, 12),
    st.booleans(),
    st.integers(0, 10_000),
)
def test_no_strategy_overdraws(name: str, budget: int, k: int, batch: int, cached: bool, seed: int) -> None:
    one, judge = strategy(name, k, batch)
    policy = Dice(0.2, kinds=3, caches_prompts=cached)
    result = run(one, policy, judge, budget, seed)
    assert result.tokens_used <= budget
    assert result.samples <= k
    assert result.samples == sum(n for n, _ in policy.calls)
    prompts = min(len(policy.calls), 1) if cached else len(policy.calls)
    assert result.tokens.prefill == 3 * prompts
    if budget < 4:
        assert (result.samples, result.answer) == (0, None)


def test_a_large_budget_is_used_up_to_the_cap() -> None:
    for name in STRATEGIES:
        one, judge = strategy(name, 6, 1)
        assert run(one, Dice(0.0, kinds=100), judge, 10_000).samples == 6


def test_the_last_tokens_buy_a_shorter_sample() -> None:
    policy = Dice(0.0)
    run(RepeatedSampling(k=100, max_tokens=10), policy, Checker(), 60)
    assert policy.calls[-1][1] < 10
    policy = Dice(0.0)
    run(RepeatedSampling(k=100, max_tokens=10, min_tokens=10), policy, Checker(), 60)
    assert {limit for _, limit in policy.calls} == {10}


def test_sequential_stops_at_the_first_accepted_sample_and_parallel_pays_for_all() -> None:
    one, together = (
        run(RepeatedSampling(k=8, max_tokens=10, batch=b), Dice(1.0), Checker(), 500) for b in (1, 8)
    )
    assert (one.samples, together.samples) == (1, 8)
    assert one.accepted
    assert one.answer == "right"
    assert together.tokens.decode > one.tokens.decode


def test_nothing_accepted_is_no_answer() -> None:
    result = run(RepeatedSampling(k=5, max_tokens=10), Dice(0.0), Checker(), 500)
    assert (result.answer, result.accepted, result.samples) == (None, False, 5)


def test_a_unanimous_vote_stops_after_four() -> None:
    """P(Beta(5, 1) > 1/2) = .969 is the first above .95."""
    result = run(MajorityVote(k=30, max_tokens=10, answer_of=answer_of), Dice(1.0), None, 1000)
    assert (result.samples, result.accepted, result.answer) == (4, True, "right")
    assert (
        run(
            MajorityVote(k=30, max_tokens=10, answer_of=answer_of, threshold=2), Dice(1.0), None, 1000
        ).samples
        == 30
    )


def test_votes_without_an_answer_are_lost() -> None:
    vote = MajorityVote(k=9, max_tokens=10, answer_of=lambda text: None)
    assert run(vote, Dice(1.0), None, 1000).answer is None


def test_the_same_seed_gives_the_same_run() -> None:
    for name in STRATEGIES:
        results = [
            run(strategy(name, 8, 2)[0], Dice(0.3, kinds=3), strategy(name, 8, 2)[1], 400, seed=7)
            for _ in range(2)
        ]
        assert results[0] == results[1]


def test_a_policy_that_says_too_much_is_an_error() -> None:
    class Chatty(Dice):
        async def sample(self, *args: Any, **more: Any) -> list[Attempt]:
            return [Attempt(text="", tokens=11, truncated=True)]

    with pytest.raises(BudgetError, match="asked for 1 samples of at most 10"):
        run(RepeatedSampling(k=1, max_tokens=10), Chatty(0.5), Checker(), 100)


# -- expectations --------------------------------------------------------------------------------------------

FIXED = Posterior(a=np.array(0.35e6), b=np.array(0.65e6), ess=np.array(0.0), zero=np.array(0.0))
"""p = .35, as good as certainly."""
COST = TokenCost(right=5.5, wrong=5.5, prefill=3.0, score=8.5)
CASES: list[tuple[str, int, int, Any, Any]] = [
    ("repeated_sampling", 6, 1, Checker(VerifierSpec(fpr=0.1, tpr=0.9)), VerifierSpec(fpr=0.1, tpr=0.9)),
    ("repeated_sampling", 6, 4, Checker(VerifierSpec(fpr=0.1, tpr=0.9)), VerifierSpec(fpr=0.1, tpr=0.9)),
    ("majority", 9, 1, None, None),
    ("best_of_n", 6, 6, Judge(2.0), ScorerSpec(auc=0.9213503964748574)),
    ("weighted_vote", 7, 7, Judge(2.0), ScorerSpec(auc=0.9213503964748574)),
]


@pytest.mark.parametrize(("name", "k", "batch", "judge", "spec"), CASES)
def test_what_is_promised_happens(name: str, k: int, batch: int, judge: Any, spec: Any) -> None:
    """4 standard errors over 1500 runs at p = .35, two answers; AUC .921 is two unit normals 2 apart."""
    one = strategy(name, k, batch)[0]
    promised: Expected = one.expected(FIXED, COST, spec)
    size = 1500
    results = [run(one, Dice(0.35), judge, 10_000, seed=i) for i in range(size)]
    error = 4 * 0.5 / size**0.5 + 0.004
    assert np.mean([r.answer == "right" for r in results]) == pytest.approx(promised.correct, abs=error)
    wrong = np.mean([r.answer not in ("right", None) for r in results])
    assert wrong == pytest.approx(promised.wrong, abs=error)
    assert np.mean([r.tokens_used for r in results]) == pytest.approx(promised.tokens, rel=0.06)


def test_expectations_over_an_uncertain_p() -> None:
    """Beta(2, 6), cap 8: pass .8 and 4 samples in sequence,
    docs/methods/allocation.md#sequential-allocation."""
    unsure = Posterior(a=np.array(2.0), b=np.array(6.0), ess=np.array(0.0), zero=np.array(0.0))
    cost = TokenCost(right=20, wrong=30)
    one = RepeatedSampling(k=8, max_tokens=64).expected(unsure, cost, VerifierSpec())
    assert (one.correct, one.wrong, one.tokens) == pytest.approx((0.8, 0.0, 112))
    together = RepeatedSampling(k=8, max_tokens=64, batch=8).expected(unsure, cost, VerifierSpec())
    assert together.tokens == pytest.approx(220)
    dead = Posterior(a=np.array(2.0), b=np.array(6.0), ess=np.array(0.0), zero=np.array(1.0))
    assert RepeatedSampling(k=8, max_tokens=64).expected(dead, cost, VerifierSpec()).tokens == pytest.approx(
        240
    )
    assert BestOfN(k=1, max_tokens=64).expected(unsure, cost, ScorerSpec(auc=0.7)).correct == pytest.approx(
        0.25, abs=1e-6
    )


def test_the_wrong_judge_is_refused() -> None:
    specs = (None, VerifierSpec(), ScorerSpec(auc=0.8))
    fits = {"repeated_sampling": 1, "majority": 0, "weighted_vote": 2, "best_of_n": 2}
    for (name, fit), (i, spec) in itertools.product(fits.items(), enumerate(specs)):
        if i != fit:
            with pytest.raises(ValueError, match=name):
                strategy(name, 3, 1)[0].expected(FIXED, COST, spec)
    with pytest.raises(ValueError, match="auc"):
        ScorerSpec(auc=0.3)


def test_weighted_votes_count_scores_not_heads() -> None:
    class ByText(Judge):
        async def score(self, prompt: Prompt, attempts: Sequence[Attempt]) -> list[Score]:
            return [Score(value=10.0 if a.text == "right" else 0.1) for a in attempts]

    vote = WeightedVote(k=12, max_tokens=10, answer_of=answer_of)
    assert run(vote, Dice(0.2), ByText(), 2000).answer == "right"
    heads = MajorityVote(k=12, max_tokens=10, answer_of=answer_of, threshold=2)
    assert run(heads, Dice(0.2), None, 2000).answer == "wrong 0"
