"""The types that cross every seam: prompts in, rollout groups out, one statistic per group.

Imports numpy and the standard library only, so that rewards, curricula and the planner can use it without
Ray, vLLM or torch. Shape letters: L = tokens of one completion, G = rollouts of one group.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

Array = TypeVar("Array")
OtherArray = TypeVar("OtherArray")


class FinishReason(StrEnum):
    """Why a completion ended."""

    STOP = "stop"
    """The policy sampled an end token, or its text a stop string."""
    LENGTH = "length"
    """Reached max_tokens: final, scored as it is, counted as truncated."""
    ABORTED = "aborted"
    """Interrupted from outside: no observation, never trained on, never counted as wrong."""


class Failure(StrEnum):
    """Why a completion has no verdict of its reward's own; ``RewardResult.reason`` says it to people."""

    TIMEOUT = "timeout"
    """The reward took longer than ``verifiers.timeout_s``, and its process was killed."""
    CRASH = "crash"
    """The verifier process died."""
    LOST = "lost"
    """The actor that held the verifiers was lost, and so was its successor."""
    ERROR = "error"
    """The reward raised."""
    SANDBOX = "sandbox"
    """The sandbox could not run the program; this says nothing about the program."""
    NOT_FINITE = "not_finite"
    """The reward returned NaN or infinity."""
    NOT_APPLICABLE = "not_applicable"
    """The reward has nothing to say of this prompt."""
    NO_SCORE = "no_score"
    """A score that the value needs is missing: the reward model's, or that of an answer at a thinking
    budget."""
    UNDECIDED = "undecided"
    """The reward itself said that it could not judge, and no more (``RewardResult.unjudged``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One problem, as the policy sees it."""

    id: str
    """Unique within a run; the split is part of it, so train, dev and test ids never meet."""
    text: str
    """The text that was tokenised: after the chat template, if the task has one."""
    token_ids: tuple[int, ...]
    answer: str
    """Reference answer, in the form that the task's reward expects."""
    category: str = "default"
    difficulty: int = 0
    """Level inside the category, 0 if unknown."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """JSON-able facts for the reward (generator name, its config, the item's metadata)."""
    thinking_tags: tuple[str, str] = ("<think>", "</think>")
    """Tags that open and close a thinking in this policy's words: what stands between them is no answer
    (``rewards.thinking``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingConfig:
    """How completions are drawn. Counts of different configs are never pooled."""

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 64
    nominal_max_tokens: int | None = None
    """The run's limit, where a length curriculum put a lower one into ``max_tokens``; None = ``max_tokens``
    is the run's."""
    ignore_eos: bool = False
    """Go on to ``max_tokens`` whatever is sampled: for benchmarks with fixed token counts."""
    stop: tuple[str, ...] = ()
    """Texts that end a completion, beside those of the engine."""
    stop_token_ids: tuple[int, ...] = ()
    """Tokens that end a completion, beside those of the engine and the model."""

    @property
    def key(self) -> str:
        """Identity used by the statistics store, e.g. ``t1-p1-m64``. A length budget does not change it: the
        store discounts by budget instead, or no prompt would have statistics under the present one."""
        limit = self.nominal_max_tokens or self.max_tokens
        ends = f"-stop{[*self.stop, *self.stop_token_ids]}" if self.stop or self.stop_token_ids else ""
        more = ("-ignore_eos" if self.ignore_eos else "") + ends
        return f"t{self.temperature:g}-p{self.top_p:g}-m{limit}{more}"

    def limited(self, tokens: int) -> "SamplingConfig":
        """The same sampling under a length budget: at most ``tokens``, and never more than the run's
        limit."""
        return replace(
            self,
            max_tokens=min(tokens, self.max_tokens),
            nominal_max_tokens=self.nominal_max_tokens or self.max_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRequest:
    """One order to an engine: ``len(seeds)`` completions of one prompt, sampled independently."""

    group_id: int
    """Unique in the run's lineage; re-issues keep it."""
    prompt_token_ids: tuple[int, ...]
    seeds: tuple[int, ...]
    """One per rollout, [G]: fixed by (run seed, plan, position), so that a re-issue is the same draw under
    the same weights."""
    sampling: SamplingConfig


@dataclass(frozen=True, slots=True)
class VersionSpan:
    """Tokens ``[start, end)`` of a completion were sampled by ``policy_version``."""

    start: int
    end: int
    policy_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One sampled sequence: token ids in, token ids out, never re-tokenised.

    Several turns fit in one completion: tool tokens have ``loss_mask`` False and ``behavior_logprobs`` 0.

    Example: a completion of 5 tokens, the weights changed after the third one::

        spans = (VersionSpan(0, 3, 7), VersionSpan(3, 5, 8))   # min_policy_version 7, max_policy_version 8
    """

    token_ids: np.ndarray
    """[L] int32, the end token included."""
    behavior_logprobs: np.ndarray
    """[L] float32, nats: log p of each token under the weights that sampled it, at the sampling
    temperature."""
    loss_mask: np.ndarray
    """[L] bool, True on tokens that the policy sampled."""
    spans: tuple[VersionSpan, ...]
    finish_reason: FinishReason

    @property
    def min_policy_version(self) -> int:
        """Version of the oldest token; staleness counts from here."""
        return min(span.policy_version for span in self.spans)

    @property
    def max_policy_version(self) -> int:
        """Version of the newest token."""
        return max(span.policy_version for span in self.spans)

    @property
    def truncated(self) -> bool:
        """True if it reached max_tokens."""
        return self.finish_reason is FinishReason.LENGTH


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardResult:
    """A reward's verdict on one completion."""

    value: float
    """Goes to the advantage estimator."""
    correct: bool
    """Raw correctness: what pass rates, verdicts and pass@k read. Never shaped."""
    components: Mapping[str, float] = field(default_factory=dict)
    """Unweighted parts of the value, for the log."""
    reason: str = ""
    """Why the value is what it is, for people: 'no answer', 'timeout', 'empty', ...; '' when it is right.
    Code reads ``failure``."""
    judged: bool = True
    """False where nobody knows whether it is right or wrong: value and correctness then mean nothing, and
    nothing may read them."""
    failure: Failure | None = None
    """The failure that kept the reward from a verdict of its own; None if it gave one. Whatever is not judged
    has one (``UNDECIDED`` if whoever made the result named none); a judged result has one only where a
    timeout counts as wrong."""

    def __post_init__(self) -> None:
        """Whatever is not judged has a failure."""
        if not self.judged and self.failure is None:
            object.__setattr__(self, "failure", Failure.UNDECIDED)

    @classmethod
    def unjudged(cls, reason: str, failure: Failure = Failure.UNDECIDED) -> "RewardResult":
        """The third outcome beside right and wrong: the reward could not say (it raised, its service is down,
        ...)."""
        return cls(value=0.0, correct=False, reason=reason, judged=False, failure=failure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One finished attempt: a completion with its text and its reward."""

    completion: Completion
    text: str
    result: RewardResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutAux(Generic[Array]):
    """Arrays that ride along with rollouts, one row for each, because the objective reads them. A field that
    no part of the run filled is None.

    The arrays are numpy's in a group [G, ...] and in a training batch [S, ...], torch's in an objective.
    """

    pass_k: Array | None = None
    """[G] k of the pass@k that the rollout's prompt trains on."""
    token_price: Array | None = None
    """[G] value that the planner takes off for each token (lambda)."""
    posterior: Array | None = None
    """[G, 2] Beta parameters of the prompt's pass rate, as known before this group."""
    budget_scores: Array | None = None
    """[G, budgets] mean score of the answers given at each thinking budget; a row of NaN marks a rollout that
    is itself such an answer."""
    token_advantages: Array | None = None
    """[G, longest] a curriculum's own advantages, by place among the rollout's sampled tokens; 0 behind the
    last."""

    def to_dict(self) -> dict[str, Array]:
        """The fields that are not None, by name."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Array]) -> "RolloutAux[Array]":
        """The inverse of ``to_dict``.

        Raises:
            TypeError: for a name that is no field.
        """
        return cls(**values)

    def map(self, change: Callable[[Array], OtherArray]) -> "RolloutAux[OtherArray]":
        """Apply ``change`` to every array that is there."""
        return RolloutAux(**{name: change(value) for name, value in self.to_dict().items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutGroup:
    """All attempts at one prompt under one plan; the baseline is computed inside it. G varies from group to
    group, and is 0 where nothing could be judged: such a group is no observation, and never trains."""

    group_id: int
    plan_step: int
    """The step ticket it belongs to."""
    prompt: Prompt
    sampling: SamplingConfig
    rollouts: tuple[Rollout, ...]
    """[G] the judged ones. Give the constructor all of them: it puts those that were not judged into
    ``unjudged``."""
    unjudged: tuple[Rollout, ...] = ()
    """Attempts that the reward could not judge: sampled and paid for, but no observation. Kept apart, so that
    nothing that reads ``rollouts`` can take them for wrong answers."""
    issues: int = 1
    """How often it was sent to an engine (1 = no re-issue)."""
    issued_at: float = 0.0
    finished_at: float = 0.0
    """Seconds since the epoch, of the last issue."""
    demonstration: bool = False
    """True where the one rollout was shown, not sampled."""
    answers: tuple["RolloutGroup", ...] = ()
    """Groups of answers asked for at thinking budgets, which train beside this one."""
    aux: "RolloutAux[np.ndarray]" = field(default_factory=lambda: RolloutAux())
    """[G, ...] more about each rollout, which the objective reads."""

    def __post_init__(self) -> None:
        """Keep the unjudged apart."""
        if not all(r.result.judged for r in self.rollouts):
            object.__setattr__(
                self, "unjudged", (*self.unjudged, *(r for r in self.rollouts if not r.result.judged))
            )
            object.__setattr__(self, "rollouts", tuple(r for r in self.rollouts if r.result.judged))

    @property
    def sampled(self) -> tuple[Rollout, ...]:
        """Everything that an engine sampled for it, judged or not; the unjudged last."""
        return (*self.rollouts, *self.unjudged)

    @property
    def rewards(self) -> np.ndarray:
        """[G] float64 reward values."""
        return np.array([r.result.value for r in self.rollouts], dtype=np.float64)

    @property
    def num_correct(self) -> int:
        """Raw successes in the group."""
        return sum(r.result.correct for r in self.rollouts)

    @property
    def mixed(self) -> bool:
        """True if it holds at least one success and one failure."""
        return 0 < self.num_correct < len(self.rollouts)

    @property
    def min_policy_version(self) -> int:
        """Version of the oldest token in the group."""
        return min(r.completion.min_policy_version for r in self.rollouts)

    @property
    def num_tokens(self) -> int:
        """Completion tokens over all judged rollouts."""
        return sum(len(r.completion.token_ids) for r in self.rollouts)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStat:
    """The statistic of one finished group, kept or not: all that curricula and planner learn from."""

    plan_step: int
    prompt_id: str
    category: str
    difficulty: int
    sampling_key: str
    num_rollouts: int
    """That were judged; those that were not are no observation."""
    num_correct: int
    num_truncated: int
    num_tokens: int
    min_policy_version: int
    max_policy_version: int
    kept: bool
    reason: str = ""
    """Why it was dropped; '' if kept."""
    group_id: int = -1
    """Id of the group, so that a log read twice counts once; -1 if whoever made the statistic does not say.
    """
    correct_lengths: Sequence[int] = ()
    """Tokens of each right completion; empty if whoever made the statistic does not say."""
    wrong_lengths: Sequence[int] = ()
    """Tokens of each wrong one, truncated ones included."""
    num_unjudged: int = 0
    """Rollouts that the reward could not judge; none of the other figures counts them."""

    @classmethod
    def of(cls, group: RolloutGroup, *, kept: bool, reason: str = "") -> "RolloutStat":
        """Summarise a finished group of which at least one rollout was judged."""
        completions = [r.completion for r in group.rollouts]
        return cls(
            plan_step=group.plan_step,
            prompt_id=group.prompt.id,
            category=group.prompt.category,
            difficulty=group.prompt.difficulty,
            sampling_key=group.sampling.key,
            num_rollouts=len(completions),
            num_correct=group.num_correct,
            num_truncated=sum(c.truncated for c in completions),
            num_tokens=group.num_tokens,
            min_policy_version=min(c.min_policy_version for c in completions),
            max_policy_version=max(c.max_policy_version for c in completions),
            kept=kept,
            reason=reason,
            group_id=group.group_id,
            correct_lengths=tuple(len(r.completion.token_ids) for r in group.rollouts if r.result.correct),
            wrong_lengths=tuple(len(r.completion.token_ids) for r in group.rollouts if not r.result.correct),
            num_unjudged=len(group.unjudged),
        )


class Reward(Protocol):
    """Scores completions of one prompt. Pure and deterministic; runs in a killable process, so it may be slow
    but not stateful."""

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text (special tokens removed)."""
        ...


class GroupScorer(Protocol):
    """Scores whole groups, with a hard timeout for each completion
    (``rewards.processes.pool.VerifierPool``)."""

    async def score(
        self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> list[RewardResult]:
        """[G] results, in order; a verifier that hangs or dies costs its own sample, which has the reason
        then."""
        ...
