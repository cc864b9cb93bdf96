"""Columns of ``RUN/rollouts``: every finished rollout of a plan, with what the step made of it.

Rollouts of a group that was dropped, and those that could not be judged, are rows too. A demonstration is
none: no policy wrote it. Where one took its group's place, the group's own rollouts say so in ``decision``.
Answers at thinking budgets are rows of groups of their own (``rl.engines.thinking_budgets``).

Built column by column: the thread that does it keeps the loops from running Python meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from rl.batch.types import StepResult, TrainingBatch
from rl.records.rollouts.lists import Lists
from rl.stream.plans import GroupState, PlanState
from rollout.types import Completion, Rollout, RolloutGroup

DEMONSTRATION = "demonstration"
"""Why the rollouts of a kept group do not train: its prompt's worked solution does."""
NOT_CHOSEN = "not chosen"
"""Why a rollout of a kept group does not train: the curriculum chose others of it."""
Columns = dict[str, Any]
"""Name -> one value a row; a column that is not there is null in every row."""
Sample = tuple[RolloutGroup, int, Rollout]
"""A rollout with its group and its place in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedStep:
    """A step that is over: its plan, what was trained on, and what the learner said."""

    plan: PlanState
    groups: Sequence[RolloutGroup]
    """The batch's groups, in its order; none where nothing was kept."""
    batch: TrainingBatch | None
    result: StepResult


def step_columns(step: TrainedStep, *, attempt: int, tokens: bool) -> Columns:
    """One row a finished rollout, groups by id, rollouts by their place in the group, the unjudged last."""
    places = _places(step)
    shown = {group.group_id for group in step.groups if group.demonstration}
    samples: list[Sample] = []
    kept: list[bool] = []
    decisions: list[str] = []
    for state in sorted(step.plan.groups, key=lambda state: state.request.group_id):
        if state.group is None:
            continue
        for group in (state.group, *state.group.answers):
            samples += _samples(group)
            count = len(group.sampled)
            kept += [state.kept] * count
            decisions += _decisions(
                state, count, own=group is state.group, shown=state.group.group_id in shown
            )
    place = np.array([places.get((group.group_id, index), -1) for group, index, _ in samples], dtype=np.int64)
    columns = sample_columns(samples, step=step.plan.step, attempt=attempt, tokens=tokens)
    columns |= {"kept": kept, "decision": decisions}
    columns["staleness"] = step.plan.step - columns["version_min"]
    _put_shaped(columns, step, place)
    return columns | _figures(step, place, columns["length"], tokens=tokens)


def evaluation_columns(
    groups: Sequence[RolloutGroup], *, version: int, attempt: int, tokens: bool
) -> Columns:
    """One row a completion of an evaluation of one policy version; ``step`` is the version."""
    samples = list(chain.from_iterable(_samples(group) for group in groups))
    columns = sample_columns(samples, step=version, attempt=attempt, tokens=tokens)
    return columns | {"trained": np.zeros(len(samples), dtype=bool)}


def sample_columns(samples: Sequence[Sample], *, step: int, attempt: int, tokens: bool) -> Columns:
    """The columns that rollouts and their groups fill by themselves."""
    groups = [group for group, _, _ in samples]
    prompts = [group.prompt for group in groups]
    completions = [rollout.completion for _, _, rollout in samples]
    results = [rollout.result for _, _, rollout in samples]
    lengths = np.array([len(completion.token_ids) for completion in completions], dtype=np.int64)
    columns: Columns = {
        "attempt": np.full(len(samples), attempt),
        "step": np.full(len(samples), step),
        "group_id": [group.group_id for group in groups],
        "index": [index for _, index, _ in samples],
        "prompt_id": [prompt.id for prompt in prompts],
        "category": [prompt.category for prompt in prompts],
        "difficulty": [prompt.difficulty for prompt in prompts],
        "prompt": [prompt.text for prompt in prompts],
        "completion": [rollout.text for _, _, rollout in samples],
        "reward": [result.value if result.judged else None for result in results],
        "components": [result.components for result in results],
        "reason": [result.reason for result in results],
        "failure": [None if result.failure is None else result.failure.value for result in results],
        "judged": [result.judged for result in results],
        "correct": [result.correct if result.judged else None for result in results],
        "length": lengths,
        "prompt_length": [len(prompt.token_ids) for prompt in prompts],
        "finish_reason": [completion.finish_reason.value for completion in completions],
        "version_min": np.array([completion.min_policy_version for completion in completions]),
        "version_max": np.array([completion.max_policy_version for completion in completions]),
        "temperature": [group.sampling.temperature for group in groups],
    }
    return columns | _token_columns(completions, lengths) if tokens else columns


def _samples(group: RolloutGroup) -> list[Sample]:
    return [(group, index, rollout) for index, rollout in enumerate(group.sampled)]


def _token_columns(completions: Sequence[Completion], lengths: np.ndarray) -> Columns:
    versions = [
        np.full(span.end - span.start, span.policy_version)
        for completion in completions
        for span in completion.spans
    ]
    logprobs = _joined([completion.behavior_logprobs for completion in completions])
    sampled = _joined([completion.loss_mask for completion in completions]).astype(bool)
    return {
        "token_ids": Lists(_joined([completion.token_ids for completion in completions]), lengths),
        "token_versions": Lists(_joined(versions), lengths),
        "logprobs": Lists(np.where(sampled, logprobs, np.nan), lengths),
    }


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.empty(0)


def _places(step: TrainedStep) -> dict[tuple[int, int], int]:
    """(group id, index in the group) -> place in the batch."""
    chosen = {state.request.group_id: state.indices for state in step.plan.groups}
    places: dict[tuple[int, int], int] = {}
    start = 0
    for group in step.groups:
        if not group.demonstration:
            indices = chosen.get(group.group_id) or range(len(group.rollouts))
            places |= {(group.group_id, index): start + i for i, index in enumerate(indices)}
        start += len(group.rollouts)
    return places


def _put_shaped(columns: Columns, step: TrainedStep, place: np.ndarray) -> None:
    """Rollouts in the batch: their components with those that the curriculum added for the training."""
    rollouts = [rollout for group in step.groups for rollout in group.rollouts]
    for row in np.flatnonzero(place >= 0):
        columns["components"][row] = rollouts[place[row]].result.components


def _decisions(state: GroupState, count: int, *, own: bool, shown: bool) -> list[str]:
    """[count] why each rollout of the group does not train; '' where it does."""
    if not state.kept:
        return [state.reason] * count
    if shown:
        return [DEMONSTRATION] * count
    if not own or state.group is None or state.indices is None:
        return [""] * count
    judged, chosen = len(state.group.rollouts), set(state.indices)
    return [NOT_CHOSEN if index < judged and index not in chosen else "" for index in range(count)]


def _figures(step: TrainedStep, place: np.ndarray, lengths: np.ndarray, *, tokens: bool) -> Columns:
    """The learner's figures of each row; null where it was not in the batch (place -1)."""
    learned = step.result.samples
    inside = place >= 0
    if step.batch is None or learned is None or not inside.any():
        return {"trained": np.zeros(len(place), dtype=bool)}
    columns: Columns = {"trained": inside & learned.updated[place]}
    for name in ("advantage", "gap_mean", "gap_max"):
        columns[name] = np.where(inside, getattr(learned, name)[place], np.nan)
    if tokens and learned.token_logprobs is not None and learned.token_advantages is not None:
        at = _tokens_at(step.batch.offsets, place, lengths)
        logprobs = np.where(at >= 0, learned.token_logprobs[at], np.nan)
        row_of = np.repeat(np.arange(len(place)), lengths)
        scored = np.bincount(row_of, weights=~np.isnan(logprobs), minlength=len(place)) > 0
        advantages = np.where(at >= 0, learned.token_advantages[at], np.nan)
        columns["learner_logprobs"] = Lists(logprobs, lengths, missing=~scored)
        columns["token_advantages"] = Lists(advantages, lengths, missing=~inside)
    return columns


def _tokens_at(offsets: np.ndarray, place: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """[tokens of all rows] where the batch has each token of each completion; -1 where it has not.

    A sample's completion is the end of its tokens: the prompt comes first."""
    starts = np.asarray(offsets)[place + 1] - lengths
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.where(np.repeat(place >= 0, lengths), np.repeat(starts, lengths) + within, -1)
