"""A resumed stack goes on bit for bit, and refuses the checkpoint of another run."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curricula.base import Plan
from curricula.stack import CurriculumStack
from tests.unit.curricula.stacks import (
    as_lists,
    built,
    new_store,
    plan_next,
    stats_of,
)

CONFIGS: list[dict[str, Any]] = [
    {},
    {"verdict": {"name": "mixed"}, "allocator": {"name": "knapsack", "args": {"cap": 24, "min_count": 2}}},
    {"allocator": {"name": "knapsack", "args": {"cap": 24, "pass_rate": "beta", "min_count": 1}}},
]


def run(
    stack: CurriculumStack, steps: range, *, lag: int, plans: dict[int, Plan]
) -> list[tuple[list[int], list[int]]]:
    """Plan ``lag`` steps ahead of the observations, as an asynchronous run does."""
    out = []
    for step in steps:
        plans[step] = plan_next(stack, step)
        out.append(as_lists(plans[step]))
        if step % 3 == 0:
            out.append(as_lists(stack.refill(step, round=1, num_prompts=2, rollout_budget=9)))
        if step - lag in plans:
            stack.observe(step - lag, stats_of(plans[step - lag], step - lag))
    return out


@pytest.mark.parametrize("slots", CONFIGS)
@pytest.mark.parametrize("lag", [0, 2])
@settings(max_examples=8, deadline=None)
@given(cut=st.integers(0, 24))
def test_plans_after_a_resume_are_bit_identical(slots: dict[str, Any], lag: int, cut: int) -> None:
    straight = run(built(lag=lag, **slots), range(24), lag=lag, plans={})

    store, plans = new_store(), dict[int, Any]()
    interrupted = built(store, lag=lag, **slots)
    before = run(interrupted, range(cut), lag=lag, plans=plans)
    saved = json.loads(json.dumps({"stack": interrupted.state_dict(), "store": store.state_dict()}))
    store = new_store()
    resumed = built(store, lag=lag, **slots)
    store.load_state_dict(saved["store"])
    resumed.load_state_dict(saved["stack"])
    assert resumed.state_dict() == saved["stack"]
    assert before + run(resumed, range(cut, 24), lag=lag, plans=plans) == straight


@pytest.mark.parametrize(
    "slots",
    [{}, {"allocator": {"name": "knapsack"}, "category": {"name": "sec"}}],
    ids=["uniform", "knapsack"],
)
def test_a_curriculum_that_begins_late_plans_from_there_and_resumes_as_any_other(
    slots: dict[str, Any],
) -> None:
    store, plans = new_store(), dict[int, Any]()
    late = built(store, **slots)
    late.begin_at(7)
    assert not late.begun
    with pytest.raises(ValueError, match="plan 0 asked for, plan 7 is next"):
        plan_next(late, 0)
    before = run(late, range(7, 12), lag=0, plans=plans)
    assert late.begun
    with pytest.raises(ValueError, match="goes on from its state"):
        late.begin_at(20)
    saved = json.loads(json.dumps({"stack": late.state_dict(), "store": store.state_dict()}))
    straight = before + run(late, range(12, 16), lag=0, plans=dict(plans))
    store = new_store()
    resumed = built(store, **slots)
    store.load_state_dict(saved["store"])
    resumed.load_state_dict(saved["stack"])
    assert before + run(resumed, range(12, 16), lag=0, plans=plans) == straight


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pool_size": 7}, "pool has 7 prompts"),
        ({"parts": {"sampler": {}}}, "slots"),
        ({"state_version": 9}, "version 9"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        built().load_state_dict({**built().state_dict(), **change})
