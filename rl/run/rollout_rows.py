"""Rows of ``RUN/rollouts``: every finished rollout of a plan, with what the step made of it.

Rollouts of a group that was dropped, and those that could not be judged, are rows too. A demonstration is
none: no policy wrote it. Where one took its group's place, the group's own rollouts say so in ``decision``.
Answers at thinking budgets are rows of groups of their own (``rl.engines.thinking_budgets``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl.batch.types import SampleFigures, StepResult, TrainingBatch
from rl.stream.plans import GroupState, PlanState
from rollout.types import Completion, Rollout, RolloutGroup

DEMONSTRATION = "demonstration"
"""Why the rollouts of a kept group do not train: its prompt's worked solution does."""
NOT_CHOSEN = "not chosen"
"""Why a rollout of a kept group does not train: the curriculum chose others of it."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedStep:
    """A step that is over: its plan, what was trained on, and what the learner said."""

    plan: PlanState
    groups: Sequence[RolloutGroup]
    """The batch's groups, in its order; none where nothing was kept."""
    batch: TrainingBatch | None
    result: StepResult


def step_rows(step: TrainedStep, *, attempt: int, tokens: bool) -> list[Row]:
    """One row a finished rollout, groups by id, rollouts by their place in the group, the unjudged last."""
    places = _places(step)
    shown = {group.group_id for group in step.groups if group.demonstration}
    shaped = _shaped(step)
    rows: list[Row] = []
    for state in sorted(step.plan.groups, key=lambda state: state.request.group_id):
        if state.group is None:
            continue
        of_group = {"attempt": attempt, "step": step.plan.step, "kept": state.kept}
        for group in (state.group, *state.group.answers):
            own = group is state.group
            for index, rollout in enumerate(group.sampled):
                key = (group.group_id, index)
                row = rollout_row(group, rollout, index, tokens=tokens) | of_group
                row["staleness"] = step.plan.step - rollout.completion.min_policy_version
                row["decision"] = _decision(state, index, own=own, shown=state.group.group_id in shown)
                row["components"] = shaped.get(key, row["components"])
                rows.append(row | _figures(step, places.get(key), rollout.completion, tokens=tokens))
    return rows


def evaluation_rows(groups: Sequence[RolloutGroup], *, version: int, attempt: int, tokens: bool) -> list[Row]:
    """One row a completion of an evaluation of one policy version; ``step`` is the version."""
    known = {"attempt": attempt, "step": version, "trained": False}
    return [
        rollout_row(group, rollout, index, tokens=tokens) | known
        for group in groups
        for index, rollout in enumerate(group.sampled)
    ]


def rollout_row(group: RolloutGroup, rollout: Rollout, index: int, *, tokens: bool) -> Row:
    """The columns that a rollout and its group fill by themselves."""
    completion, result, prompt = rollout.completion, rollout.result, group.prompt
    row: Row = {
        "group_id": group.group_id,
        "index": index,
        "prompt_id": prompt.id,
        "category": prompt.category,
        "difficulty": prompt.difficulty,
        "prompt": prompt.text,
        "completion": rollout.text,
        "reward": result.value if result.judged else None,
        "components": _components(result.components),
        "reason": result.reason,
        "failure": None if result.failure is None else result.failure.value,
        "judged": result.judged,
        "correct": result.correct if result.judged else None,
        "length": len(completion.token_ids),
        "prompt_length": len(prompt.token_ids),
        "finish_reason": completion.finish_reason.value,
        "version_min": completion.min_policy_version,
        "version_max": completion.max_policy_version,
        "temperature": group.sampling.temperature,
    }
    if tokens:
        row["token_ids"] = completion.token_ids
        row["token_versions"] = _versions(completion)
        row["logprobs"] = _numbers(np.where(completion.loss_mask, completion.behavior_logprobs, np.nan))
    return row


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


def _shaped(step: TrainedStep) -> dict[tuple[int, int], list[Row]]:
    """(group id, index) -> components, those that the curriculum added for the training included."""
    rollouts = [rollout for group in step.groups for rollout in group.rollouts]
    return {key: _components(rollouts[place].result.components) for key, place in _places(step).items()}


def _decision(state: GroupState, index: int, *, own: bool, shown: bool) -> str:
    """Why the rollout does not train; '' where it does."""
    if not state.kept:
        return state.reason
    if shown:
        return DEMONSTRATION
    judged = state.group is not None and index < len(state.group.rollouts)
    if own and judged and state.indices is not None and index not in state.indices:
        return NOT_CHOSEN
    return ""


def _figures(step: TrainedStep, place: int | None, completion: Completion, *, tokens: bool) -> Row:
    """The learner's figures of the rollout at ``place`` of the batch; nothing where it was not in it."""
    learned = step.result.samples
    if place is None or step.batch is None or learned is None:
        return {"trained": False}
    row: Row = {
        "trained": bool(learned.updated[place]),
        "advantage": _number(learned.advantage[place]),
        "gap_mean": _number(learned.gap_mean[place]),
        "gap_max": _number(learned.gap_max[place]),
    }
    return row | _token_figures(step.batch, learned, place, completion) if tokens else row


def _token_figures(batch: TrainingBatch, learned: SampleFigures, place: int, completion: Completion) -> Row:
    end = int(batch.offsets[place + 1])
    own = slice(end - len(completion.token_ids), end)
    if learned.token_logprobs is None or learned.token_advantages is None:
        return {}
    logprobs = learned.token_logprobs[own]
    return {
        "learner_logprobs": None if np.isnan(logprobs).all() else _numbers(logprobs),
        "token_advantages": _numbers(learned.token_advantages[own]),
    }


def _components(components: Any) -> list[Row]:
    return [{"name": name, "value": float(value)} for name, value in components.items()]


def _versions(completion: Completion) -> np.ndarray:
    versions = np.zeros(len(completion.token_ids), dtype=np.int32)
    for span in completion.spans:
        versions[span.start : span.end] = span.policy_version
    return versions


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _numbers(values: np.ndarray) -> list[float | None]:
    """The values with None for NaN."""
    plain: list[float | None] = values.tolist()
    for place in np.flatnonzero(np.isnan(values)):
        plain[place] = None
    return plain
