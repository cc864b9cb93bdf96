"""Groups as data: what a checkpoint keeps of planned and of finished groups, and how they come back.

The fields here are what stands in the file, whatever the classes of the program are called by then: a change
of them is a new schema (``rl.run.state_file``). Shape letters: N = attempts of one group, judged or not, L =
their tokens together.
"""

from collections.abc import Sequence
from dataclasses import fields
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from rl.stream.plans import LATE, GroupState, GroupStatus, PlanState
from rollout.types import (
    Completion,
    Failure,
    FinishReason,
    GroupRequest,
    Prompt,
    RewardResult,
    Rollout,
    RolloutAux,
    RolloutGroup,
    SamplingConfig,
    VersionSpan,
)


class Saved(BaseModel):
    """Plain values under fixed names; a file with others is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


class SavedPrompt(Saved):
    """``rollout.types.Prompt``."""

    id: str
    text: str
    token_ids: list[int]
    answer: str
    category: str
    difficulty: int
    metadata: dict[str, Any]
    thinking_tags: list[str]

    @classmethod
    def of(cls, prompt: Prompt) -> "SavedPrompt":
        """The prompt as data."""
        values = _fields(prompt) | {
            "token_ids": [int(t) for t in prompt.token_ids],
            "metadata": dict(prompt.metadata),
            "thinking_tags": list(prompt.thinking_tags),
        }
        return cls(**values)

    def prompt(self) -> Prompt:
        """The prompt again."""
        opening, closing = self.thinking_tags
        values = _fields(self) | {"token_ids": tuple(self.token_ids), "thinking_tags": (opening, closing)}
        return Prompt(**values)


class SavedSampling(Saved):
    """``rollout.types.SamplingConfig``."""

    temperature: float
    top_p: float
    max_tokens: int
    nominal_max_tokens: int | None
    ignore_eos: bool
    stop: tuple[str, ...]
    stop_token_ids: tuple[int, ...]

    @classmethod
    def of(cls, sampling: SamplingConfig) -> "SavedSampling":
        """The sampling as data."""
        return cls(**_fields(sampling))

    def sampling(self) -> SamplingConfig:
        """The sampling again."""
        return SamplingConfig(**_fields(self))


class SavedResult(Saved):
    """``rollout.types.RewardResult``."""

    value: float
    correct: bool
    components: dict[str, float]
    reason: str
    judged: bool
    failure: str | None

    @classmethod
    def of(cls, result: RewardResult) -> "SavedResult":
        """The result as data; numbers of any kind as float and bool."""
        values = _fields(result) | {
            "value": float(result.value),
            "correct": bool(result.correct),
            "components": {name: float(value) for name, value in result.components.items()},
            "failure": None if result.failure is None else result.failure.value,
        }
        return cls(**values)

    def result(self) -> RewardResult:
        """The result again."""
        failure = None if self.failure is None else Failure(self.failure)
        return RewardResult(**_fields(self) | {"failure": failure})


class SavedRollouts(Saved):
    """The N attempts of one group in columns: a few flat arrays instead of three for each attempt."""

    texts: list[str]
    results: list[SavedResult]
    finish_reasons: list[str]
    lengths: list[int]
    """[N] tokens of each completion."""
    token_ids: np.ndarray
    """[L]"""
    behavior_logprobs: np.ndarray
    """[L]"""
    loss_mask: np.ndarray
    """[L]"""
    span_counts: list[int]
    """[N] version spans of each completion."""
    spans: np.ndarray
    """[spans of all, 3] start, end, version."""

    @classmethod
    def of(cls, rollouts: Sequence[Rollout]) -> "SavedRollouts":
        """Attempts as columns."""
        completions = [rollout.completion for rollout in rollouts]
        spans = [(s.start, s.end, s.policy_version) for c in completions for s in c.spans]
        return cls(
            texts=[rollout.text for rollout in rollouts],
            results=[SavedResult.of(rollout.result) for rollout in rollouts],
            finish_reasons=[completion.finish_reason.value for completion in completions],
            lengths=[len(completion.token_ids) for completion in completions],
            token_ids=_joined([c.token_ids for c in completions], np.int32),
            behavior_logprobs=_joined([c.behavior_logprobs for c in completions], np.float32),
            loss_mask=_joined([c.loss_mask for c in completions], np.bool_),
            span_counts=[len(completion.spans) for completion in completions],
            spans=np.array(spans, dtype=np.int64).reshape(-1, 3),
        )

    def rollouts(self) -> tuple[Rollout, ...]:
        """[N] the attempts again.

        Raises:
            ValueError: columns of different lengths.
        """
        tokens = pairwise(accumulate(self.lengths, initial=0))
        spans = pairwise(accumulate(self.span_counts, initial=0))
        rows = self.spans.reshape(-1, 3).tolist()
        columns = (self.token_ids, self.behavior_logprobs, self.loss_mask)
        if {len(column) for column in columns} != {sum(self.lengths)} or len(rows) != sum(self.span_counts):
            raise ValueError("the tokens of a group are more or fewer than its completions have")
        return tuple(
            Rollout(
                completion=Completion(
                    token_ids=self.token_ids[start:end],
                    behavior_logprobs=self.behavior_logprobs[start:end],
                    loss_mask=self.loss_mask[start:end],
                    spans=tuple(VersionSpan(*row) for row in rows[first:last]),
                    finish_reason=FinishReason(reason),
                ),
                text=text,
                result=result.result(),
            )
            for (start, end), (first, last), reason, text, result in zip(
                tokens, spans, self.finish_reasons, self.texts, self.results, strict=True
            )
        )


class SavedGroup(Saved):
    """``rollout.types.RolloutGroup``."""

    group_id: int
    plan_step: int
    prompt: SavedPrompt
    sampling: SavedSampling
    rollouts: SavedRollouts
    """The judged ones first."""
    issues: int
    issued_at: float
    finished_at: float
    demonstration: bool
    answers: "list[SavedGroup]"
    aux: dict[str, np.ndarray]
    """Arrays of ``RolloutAux`` by name."""

    @classmethod
    def of(cls, group: RolloutGroup) -> "SavedGroup":
        """The group as data."""
        return cls(
            group_id=group.group_id,
            plan_step=group.plan_step,
            prompt=SavedPrompt.of(group.prompt),
            sampling=SavedSampling.of(group.sampling),
            rollouts=SavedRollouts.of(group.sampled),
            issues=group.issues,
            issued_at=group.issued_at,
            finished_at=group.finished_at,
            demonstration=group.demonstration,
            answers=[cls.of(answer) for answer in group.answers],
            aux=group.aux.to_dict(),
        )

    def group(self) -> RolloutGroup:
        """The group again."""
        return RolloutGroup(
            group_id=self.group_id,
            plan_step=self.plan_step,
            prompt=self.prompt.prompt(),
            sampling=self.sampling.sampling(),
            rollouts=self.rollouts.rollouts(),
            issues=self.issues,
            issued_at=self.issued_at,
            finished_at=self.finished_at,
            demonstration=self.demonstration,
            answers=tuple(answer.group() for answer in self.answers),
            aux=RolloutAux.from_dict(self.aux),
        )


class SavedRequest(Saved):
    """``rollout.types.GroupRequest``."""

    group_id: int
    prompt_token_ids: list[int]
    seeds: list[int]
    sampling: SavedSampling


class SavedGroupState(Saved):
    """``rl.stream.plans.GroupState``."""

    request: SavedRequest
    prompt: SavedPrompt
    plan_step: int
    status: str
    issues: int
    issued_version: int
    issued_at: float
    finished_version: int
    group: SavedGroup | None
    kept: bool
    reason: str
    indices: list[int] | None

    @classmethod
    def of(cls, state: GroupState) -> "SavedGroupState":
        """The planned group as data, whatever became of it."""
        request = SavedRequest(
            group_id=state.request.group_id,
            prompt_token_ids=[int(t) for t in state.request.prompt_token_ids],
            seeds=list(state.request.seeds),
            sampling=SavedSampling.of(state.request.sampling),
        )
        values = _fields(state) | {
            "request": request,
            "prompt": SavedPrompt.of(state.prompt),
            "status": state.status.value,
            "group": None if state.group is None else SavedGroup.of(state.group),
            "indices": None if state.indices is None else [int(i) for i in state.indices],
        }
        return cls(**values)

    def state(self) -> GroupState:
        """The planned group again.

        Raises:
            ValueError: no such status, or a finished group that is not there.
        """
        request = GroupRequest(
            group_id=self.request.group_id,
            prompt_token_ids=tuple(self.request.prompt_token_ids),
            seeds=tuple(self.request.seeds),
            sampling=self.request.sampling.sampling(),
        )
        values = _fields(self) | {
            "request": request,
            "prompt": self.prompt.prompt(),
            "status": GroupStatus(self.status),
            "group": None if self.group is None else self.group.group(),
            "indices": None if self.indices is None else tuple(self.indices),
        }
        state = GroupState(**values)
        sampled = state.status is GroupStatus.FINISHED and state.reason != LATE
        if sampled != (state.group is not None):
            raise ValueError(f"group {request.group_id} is {self.status}, which its rollouts contradict")
        return state


class SavedPlan(Saved):
    """``rl.stream.plans.PlanState``."""

    step: int
    groups: list[SavedGroupState]
    refill_round: int
    refilled: int
    rolled_over: int
    spare: int

    @classmethod
    def of(cls, plan: PlanState) -> "SavedPlan":
        """The plan as data."""
        return cls(**_fields(plan) | {"groups": [SavedGroupState.of(group) for group in plan.groups]})

    def plan(self) -> PlanState:
        """The plan again."""
        return PlanState(**_fields(self) | {"groups": [group.state() for group in self.groups]})


class SavedStream(Saved):
    """``rl.stream.buffer.StreamBuffer``: tickets and plans."""

    tickets: dict[str, int]
    plans: list[SavedPlan]
    late: list[SavedGroupState]

    def plans_by_step(self) -> dict[int, PlanState]:
        """The plans again, in the order of their steps."""
        return {plan.step: plan.plan() for plan in self.plans}


def _fields(value: Any) -> dict[str, Any]:
    """Name -> value of a dataclass (but for what it computes itself) or of a ``Saved``, not copied and not
    converted."""
    saved = isinstance(value, Saved)
    names = value.__class__.model_fields if saved else [f.name for f in fields(value) if f.init]
    return {name: getattr(value, name) for name in names}


def _joined(arrays: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=dtype)
