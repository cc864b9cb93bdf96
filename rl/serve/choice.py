"""How a request's budget is spent: which strategy, how many samples, how many tokens at most."""

from dataclasses import dataclass

from planner.strategies import STRATEGIES, BestOfN, MajorityVote, RepeatedSampling, WeightedVote
from planner.strategies.base import Strategy
from rl.serve.errors import RequestError
from rl.serve.judges import Judge
from rl.serve.plan_file import Entry, ServingPlan
from rl.serve.requests import NO_STRATEGY, Ask, Hints
from rl.serve.votes import AnswerOf

DEFAULT_ROUND = 4
"""Samples drawn together where no plan says otherwise: as many as settle a vote if they agree."""
VERIFIED, SCORED = ("repeated_sampling",), ("weighted_vote", "best_of_n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Settings of requests that do not say, and limits that none may exceed."""

    samples: int = 8
    """k where there is no plan."""
    round_samples: int | None = None
    """Samples drawn together; None = all k for a parallel plan, 1 for a sequential one, ``DEFAULT_ROUND``
    without a plan."""
    strategy: str | None = None
    """Instead of the plan's."""
    budget_tokens: int | None = None
    """Most that any request may spend; None = k samples of full length, each paying the prompt."""
    max_tokens: int = 64
    max_model_len: int = 128
    temperature: float = 1.0
    top_p: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Strategy, samples and budget of one request."""

    strategy: str
    k: int
    round_samples: int
    max_tokens: int
    budget: int
    category: str

    def build(self, vote: AnswerOf) -> Strategy:
        """The strategy, ready to run."""
        common = {"k": self.k, "batch": self.round_samples, "max_tokens": self.max_tokens}
        if self.strategy == "repeated_sampling":
            return RepeatedSampling(**common)
        if self.strategy == "best_of_n":
            return BestOfN(**common)
        if self.strategy == "weighted_vote":
            return WeightedVote(**common, answer_of=vote)
        return MajorityVote(**common, answer_of=vote)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chooser:
    """Plan, defaults and judge of a service."""

    defaults: Defaults
    plan: ServingPlan | None = None
    judge: Judge | None = None

    def __post_init__(self) -> None:
        wanted = self.defaults.strategy
        if wanted not in (None, NO_STRATEGY, *STRATEGIES):
            raise ValueError(f"--strategy {wanted}: choose one of {', '.join((*STRATEGIES, NO_STRATEGY))}")
        if wanted in (*VERIFIED, *SCORED) and self.judge is None:
            raise ValueError(f"--strategy {wanted}: it needs a reward; give --reward NAME, or use majority")
        if wanted in VERIFIED and self.judge is not None and self.judge.form_only:
            raise ValueError(
                f"--strategy {wanted}: the reward judges form only and accepts nothing; use best_of_n or"
                " weighted_vote"
            )

    def plans(self, ask: Ask) -> bool:
        """False: the request gets its samples as they are drawn."""
        return (ask.t2rl.strategy or self.defaults.strategy) != NO_STRATEGY

    def choose(self, ask: Ask, prompt_tokens: int) -> Choice:
        """Strategy, samples and budget of a request.

        Raises:
            RequestError: 400: too long, too much, too little, or a strategy that nothing can judge for.
        """
        hints, defaults = ask.t2rl, self.defaults
        entry = None if self.plan is None else self.plan.find(id=hints.id, category=hints.category)
        k = defaults.samples if entry is None else entry.k
        if _temperature(ask, defaults) == 0:
            k = 1
        limit = self.max_tokens(ask, prompt_tokens)
        return Choice(
            strategy=self._strategy(hints, entry),
            k=k,
            round_samples=min(k, self._round(k)),
            max_tokens=limit,
            budget=self.budget(hints, prompt_tokens, k * (prompt_tokens + limit)),
            category=hints.category or (entry and entry.category) or "default",
        )

    def _strategy(self, hints: Hints, entry: Entry | None) -> str:
        """The request's, else the service's, else the plan's, else what the judge allows; votes where nothing
        can be judged."""
        judged = self.judge is not None and self.judge.can_judge(hints)
        verified = judged and self.judge is not None and not self.judge.form_only
        wanted = hints.strategy or self.defaults.strategy or (entry.strategy if entry is not None else None)
        fits = wanted == "majority" or (wanted in VERIFIED and verified) or (wanted in SCORED and judged)
        if wanted is not None and fits:
            return wanted
        if hints.strategy is not None:
            why = "the service has no --reward" if self.judge is None else "the reward judges form only"
            if self.judge is not None and not judged:
                why = "the request brings neither t2rl.answer nor t2rl.metadata"
            raise RequestError(
                400,
                f"t2rl.strategy {wanted}: nothing can judge its samples, since {why}",
                param="t2rl.strategy",
            )
        if verified and wanted is None:
            return "repeated_sampling"
        return "best_of_n" if judged and not verified else "majority"

    def _round(self, k: int) -> int:
        if self.defaults.round_samples is not None:
            return self.defaults.round_samples
        if self.plan is None:
            return DEFAULT_ROUND
        return k if self.plan.mode == "parallel" else 1

    def max_tokens(self, ask: Ask, prompt_tokens: int) -> int:
        """Tokens of each sample at most; RequestError: 400: prompt and answer do not fit together."""
        asked = getattr(ask, "max_completion_tokens", None) or ask.max_tokens
        room = self.defaults.max_model_len - prompt_tokens
        if room < 1 or (asked is not None and asked > room):
            wanted = f" and max_tokens {asked}" if asked is not None else ""
            text = (
                f"the prompt's {prompt_tokens} tokens{wanted} do not fit into the model's"
                f" {self.defaults.max_model_len}"
            )
            raise RequestError(
                400, text, param="max_tokens" if room >= 1 else "prompt", code="context_length_exceeded"
            )
        return min(self.defaults.max_tokens, room) if asked is None else asked

    def budget(self, hints: Hints, prompt_tokens: int, enough: int) -> int:
        """Tokens of the request at most; RequestError: 400: over the service's, or too little."""
        most = self.defaults.budget_tokens
        asked = hints.budget_tokens
        if asked is not None and most is not None and asked > most:
            raise RequestError(
                400, f"t2rl.budget_tokens is {asked}: this service allows {most}", param="t2rl.budget_tokens"
            )
        budget = asked or most or enough
        if budget <= prompt_tokens:
            text = (
                f"a budget of {budget} tokens cannot hold the prompt's {prompt_tokens} and one sampled token"
            )
            raise RequestError(400, text, param="t2rl.budget_tokens")
        return budget


def _temperature(ask: Ask, defaults: Defaults) -> float:
    return defaults.temperature if ask.temperature is None else ask.temperature
