"""Rows of a step: every finished rollout once, beside what the learner said of the same rollout."""

import numpy as np
import pytest

from rl.batch.types import SampleFigures, StepResult, TrainingBatch
from rl.records.rollouts.schema import COLUMNS, TOKEN_COLUMNS, table_of
from rl.run.rollout_rows import (
    DEMONSTRATION,
    NOT_CHOSEN,
    TrainedStep,
    evaluation_columns,
    step_columns,
)
from rl.stream.plans import GroupState, GroupStatus, PlanState
from rollout.types import (
    Completion,
    FinishReason,
    GroupRequest,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    SamplingConfig,
    VersionSpan,
)

SAMPLING = SamplingConfig(temperature=0.9, max_tokens=8)
STEP = 5


def rollout(value: float, *, length: int = 3, judged: bool = True, spans=((0, 4),)) -> Rollout:
    completion = Completion(
        token_ids=np.arange(length, dtype=np.int32),
        behavior_logprobs=np.full(length, -0.5, dtype=np.float32),
        loss_mask=np.ones(length, dtype=bool),
        spans=tuple(VersionSpan(start, length, version) for start, version in spans),
        finish_reason=FinishReason.STOP,
    )
    result = (
        RewardResult(
            value=value, correct=value > 0.5, components={"right": value}, reason="" if value else "no"
        )
        if judged
        else RewardResult.unjudged("it raised")
    )
    return Rollout(completion=completion, text=f"says {value}", result=result)


def state(group_id: int, rollouts, *, kept=True, reason="", indices=None, **more) -> GroupState:
    prompt = Prompt(
        id=f"p{group_id}", text="2+2=", token_ids=(1, 2), answer="4", category="add", difficulty=2
    )
    group = RolloutGroup(
        group_id=group_id, plan_step=STEP, prompt=prompt, sampling=SAMPLING, rollouts=tuple(rollouts), **more
    )
    request = GroupRequest(group_id=group_id, prompt_token_ids=(1, 2), seeds=(0,), sampling=SAMPLING)
    return GroupState(
        request=request,
        prompt=prompt,
        plan_step=STEP,
        status=GroupStatus.FINISHED,
        group=group,
        kept=kept,
        reason=reason,
        indices=indices,
    )


def step_of(states, groups) -> TrainedStep:
    """A step whose learner says of the sample at place s: advantage s, gap s / 10."""
    batch = TrainingBatch.from_groups(STEP, groups) if groups else None
    samples = None
    if batch is not None:
        place = np.arange(len(batch.rewards), dtype=np.float64)
        owner = np.repeat(place, np.diff(batch.offsets)).astype(np.float32)
        samples = SampleFigures(
            updated=place >= 0,
            advantage=np.where(batch.demonstration, np.nan, place),
            gap_mean=place / 10,
            gap_max=place,
            token_advantages=np.where(batch.loss_mask, owner, np.nan),
            token_logprobs=np.where(batch.loss_mask, -owner, np.nan).astype(np.float32),
        )
    result = StepResult(applied=batch is not None, samples=samples)
    return TrainedStep(plan=PlanState(step=STEP, groups=states), groups=groups, batch=batch, result=result)


def rows_of(states, groups, *, tokens=False):
    columns = step_columns(step_of(states, groups), attempt=2, tokens=tokens)
    assert set(columns) <= set(COLUMNS) | set(TOKEN_COLUMNS)
    rows = table_of(columns, tokens=tokens).to_pylist()
    return {(row["group_id"], row["index"]): row for row in rows}


def test_dropped_and_unjudged_rollouts_are_rows_that_did_not_train():
    kept = state(7, [rollout(1.0), rollout(0.0, judged=False), rollout(0.0)])
    dropped = state(3, [rollout(1.0), rollout(1.0)], kept=False, reason="all_correct")
    rows = rows_of([kept, dropped], [kept.group])
    assert list(rows) == [(3, 0), (3, 1), (7, 0), (7, 1), (7, 2)], "groups by id, the unjudged last"
    assert {row["decision"] for key, row in rows.items() if key[0] == 3} == {"all_correct"}
    assert [row["kept"] for row in rows.values()] == [False, False, True, True, True]
    assert [row["trained"] for row in rows.values()] == [False, False, True, True, False]
    assert [row.get("advantage") for row in rows.values()] == [None, None, 0.0, 1.0, None]
    unjudged = rows[7, 2]
    assert (unjudged["judged"], unjudged["reward"], unjudged["correct"]) == (False, None, None)
    assert (unjudged["reason"], unjudged["failure"]) == ("it raised", "undecided")
    assert rows[7, 1] | {"reward": 0.0, "reason": "no", "correct": False} == rows[7, 1]


def test_what_is_known_of_a_rollout_is_in_its_row():
    group = state(7, [rollout(1.0, length=4, spans=((0, 3), (2, 4)))])
    row = rows_of([group], [group.group])[7, 0]
    assert (
        row
        | {
            "attempt": 2,
            "step": STEP,
            "prompt_id": "p7",
            "category": "add",
            "difficulty": 2,
            "prompt": "2+2=",
            "completion": "says 1.0",
            "length": 4,
            "prompt_length": 2,
            "finish_reason": "stop",
            "version_min": 3,
            "version_max": 4,
            "staleness": 2,
            "temperature": 0.9,
            "components": [{"name": "right", "value": 1.0}],
            "gap_mean": 0.0,
        }
        == row
    )


def test_only_chosen_rollouts_of_a_group_train_and_the_figures_are_theirs():
    group = state(7, [rollout(v) for v in (0.0, 1.0, 0.0, 1.0)], indices=(1, 3))
    from rl.batch.assemble import trained_groups

    def shape(whole):
        return {"short": np.arange(len(whole.rollouts)) / 10}

    groups = trained_groups([group], shape=shape, credit=lambda groups: None, annotate=list)
    rows = rows_of([group], groups)
    assert [row["decision"] for row in rows.values()] == [NOT_CHOSEN, "", NOT_CHOSEN, ""]
    assert [row.get("advantage") for row in rows.values()] == [None, 0.0, None, 1.0]
    assert rows[7, 3]["components"] == [{"name": "right", "value": 1.0}, {"name": "short", "value": 0.3}]
    assert rows[7, 3]["reward"] == 1.0, "the task's, as in the metrics of all rollouts"


def test_where_a_demonstration_took_a_groups_place_its_rollouts_say_so_and_it_is_no_row():
    first, second = state(1, [rollout(0.0), rollout(0.0)]), state(2, [rollout(1.0), rollout(0.0)])
    shown = RolloutGroup(
        group_id=1,
        plan_step=STEP,
        prompt=first.prompt,
        sampling=SAMPLING,
        rollouts=(rollout(1.0),),
        demonstration=True,
    )
    rows = rows_of([first, second], [shown, second.group])
    assert list(rows) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert [row["decision"] for row in rows.values()] == [DEMONSTRATION, DEMONSTRATION, "", ""]
    assert [row["trained"] for row in rows.values()] == [False, False, True, True]
    assert [row.get("advantage") for row in rows.values()] == [None, None, 1.0, 2.0]


def test_answers_at_thinking_budgets_are_rows_of_groups_of_their_own():
    answers = state(1 << 61, [rollout(1.0), rollout(0.0)]).group
    group = state(7, [rollout(0.0)], answers=(answers,))
    rows = rows_of([group], [group.group, answers])
    assert list(rows) == [(7, 0), (1 << 61, 0), (1 << 61, 1)]
    assert [row["advantage"] for row in rows.values()] == [0.0, 1.0, 2.0]


def test_a_step_without_a_kept_group_has_rows_all_the_same():
    group = state(7, [rollout(0.0)], kept=False, reason="all_wrong")
    (row,) = rows_of([group], []).values()
    assert (row["trained"], row["kept"], row["decision"]) == (False, False, "all_wrong")


def test_tokens_come_with_both_log_probs_and_null_where_nothing_was_sampled():
    group = state(7, [rollout(0.0), rollout(1.0, length=4)])
    tool = group.group.rollouts[1].completion.loss_mask
    tool[2] = False
    row = rows_of([group], [group.group], tokens=True)[7, 1]
    assert list(row) == [*COLUMNS, *TOKEN_COLUMNS]
    assert row["token_ids"] == [0, 1, 2, 3] and row["token_versions"] == [4, 4, 4, 4]
    assert row["logprobs"] == [-0.5, -0.5, None, -0.5]
    assert row["learner_logprobs"] == [-1.0, -1.0, None, -1.0]
    assert row["token_advantages"] == [1.0, 1.0, None, 1.0]


def test_token_lists_are_null_where_the_learner_has_nothing_and_keep_their_place_beside_dropped_groups():
    dropped = state(3, [rollout(0.0, length=2), rollout(0.0, length=5)], kept=False, reason="all_wrong")
    shown, kept = state(5, [rollout(0.0, length=1)]), state(7, [rollout(0.0), rollout(1.0, length=4)])
    kept.group.rollouts[0].completion.loss_mask[:] = False
    rows = rows_of([kept, dropped, shown], [kept.group, shown.group], tokens=True)
    lengths = {key: len(row["token_ids"]) for key, row in rows.items()}
    assert lengths == {(3, 0): 2, (3, 1): 5, (5, 0): 1, (7, 0): 3, (7, 1): 4}
    learned = {key: (row["learner_logprobs"], row["token_advantages"]) for key, row in rows.items()}
    assert learned == {
        (3, 0): (None, None),
        (3, 1): (None, None),
        (5, 0): ([-2.0], [2.0]),
        (7, 0): (None, [None] * 3),
        (7, 1): ([-1.0] * 4, [1.0] * 4),
    }, "in the batch the groups stand in its order, here by id"


def test_no_rollouts_are_a_table_without_rows():
    for tokens in (False, True):
        assert table_of(step_columns(step_of([], []), attempt=1, tokens=tokens), tokens=tokens).num_rows == 0


def test_an_evaluation_has_the_version_for_its_step():
    groups = [state(9, [rollout(1.0), rollout(0.0, judged=False)]).group]
    table = table_of(evaluation_columns(groups, version=12, attempt=1, tokens=False), tokens=False)
    rows = table.to_pylist()
    assert [(row["step"], row["trained"], row["index"]) for row in rows] == [(12, False, 0), (12, False, 1)]
    assert table["kept"].null_count == table["advantage"].null_count == 2


@pytest.mark.parametrize("count", [1, 2, 3])
def test_ranks_together_know_the_gap_of_every_sample(count):
    size = 6
    whole = np.arange(size, dtype=np.float64)
    ranks = [
        SampleFigures(
            updated=np.ones(size, dtype=bool),
            advantage=whole,
            gap_mean=np.where(np.arange(size) % count == rank, whole, np.nan),
            gap_max=np.where(np.arange(size) % count == rank, whole, np.nan),
        )
        for rank in range(count)
    ]
    found = SampleFigures.merged(ranks)
    assert found is not None and found.gap_mean.tolist() == found.gap_max.tolist() == whole.tolist()
    assert SampleFigures.merged([None] * count) is None
