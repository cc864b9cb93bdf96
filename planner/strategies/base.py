"""The interface of decode strategies: what they sample from, what judges, what they return.

One ``run`` serves one query. Whatever a strategy does (rounds, early stops, later: steps of a particle
filter, deeper budgets, plans as prefixes) goes through ``Policy.sample``, whose ``prefix`` continues a
completion, and is charged to one ``Ledger``.

See docs/methods/strategies.md#decoding-one-query.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from planner.belief.posterior import Posterior
from planner.verifiers.verifier import VerifierSpec
from rollout.types import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One completion, as a strategy sees it."""

    text: str
    tokens: int
    """Completion tokens, the end token included."""
    truncated: bool
    """Cut at ``max_tokens``: final, and as good as its text."""
    token_ids: tuple[int, ...] = ()
    """For strategies that continue it."""


class Policy(Protocol):
    """Something that samples completions: in this repository the rollout workers (``rl.engines.decode``)."""

    @property
    def caches_prompts(self) -> bool:
        """True if sampling the same prompt again does not pay its prefill again."""
        ...

    async def sample(
        self, prompt: Prompt, n: int, *, max_tokens: int, seed: int, prefix: Sequence[int] = ()
    ) -> Sequence[Attempt]:
        """[n] independent completions of at most ``max_tokens`` tokens each, fixed by ``seed``.

        ``prefix``: token ids that every completion starts from; not part of ``Attempt.tokens``, but of the
        prefill.
        """
        ...


class Verifier(Protocol):
    """Says of each completion whether it is accepted. Free of tokens, or it is a ``Scorer``."""

    async def accepts(self, prompt: Prompt, attempts: Sequence[Attempt]) -> Sequence[bool]:
        """[n] verdicts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A scorer's opinion of one completion."""

    value: float
    tokens: int = 0
    """That the scorer read or wrote for it: charged to the budget."""


class Scorer(Protocol):
    """Scores completions, higher is better. Must not be the verifier that the answers are evaluated with."""

    def most_tokens(self, prompt: Prompt, attempt_tokens: int) -> int:
        """Upper bound on the tokens of one score, so that a budget can hold them back."""
        ...

    async def score(self, prompt: Prompt, attempts: Sequence[Attempt]) -> Sequence[Score]:
        """[n] scores."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCost:
    """Expected tokens, for ``Strategy.expected``."""

    right: float
    """Tokens of a right sample."""
    wrong: float
    prefill: float = 0.0
    score: float = 0.0
    """Tokens of one score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerSpec:
    """How well a scorer tells right from wrong, measured on labelled samples."""

    auc: float
    """Probability that a right sample scores above a wrong one."""

    def __post_init__(self) -> None:
        if not 0.5 <= self.auc < 1:
            raise ValueError(f"scorer: auc {self.auc} must lie in [0.5, 1); below 0.5 turn the score round")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The promise of a strategy."""

    correct: float
    wrong: float
    tokens: float


@dataclass(slots=True)
class Tokens:
    """Tokens spent, by what they were spent on."""

    prefill: int = 0
    decode: int = 0
    """Completions, discarded ones included."""
    scorer: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.prefill + self.decode + self.scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The outcome of one query."""

    answer: str | None
    """Completion text that stands for the answer; None = abstained."""
    samples: int
    tokens: Tokens
    accepted: bool
    """True if a verifier accepted it; without one, if the vote was settled before the samples ran out."""
    trace: list[dict[str, Any]] = field(default_factory=list)
    """The events, round by round, JSON-able."""

    @property
    def tokens_used(self) -> int:
        """Never above the budget."""
        return self.tokens.total


class Strategy(Protocol):
    """One way to spend a query's budget."""

    name: ClassVar[str]

    async def run(
        self,
        query: Prompt,
        policy: Policy,
        judge: Any,
        budget_tokens: int,
        rng: np.random.Generator,
    ) -> Result:
        """Answer ``query`` with at most ``budget_tokens`` tokens, prefill, discarded samples and scores
        included.

        ``judge``: a ``Verifier``, a ``Scorer`` or None, as the strategy needs.
        """
        ...

    def expected(
        self, posterior: Posterior, cost: TokenCost, judge: VerifierSpec | ScorerSpec | None
    ) -> Expected:
        """Probability of a right and of a wrong answer, and tokens, for one query (no budget but the
        strategy's own cap)."""
        ...
