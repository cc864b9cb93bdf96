"""SEC's walk through each category: epochs, plans across their ends, and resumes."""

import json

import numpy as np
import pytest

from curricula.categories.sec import SelfEvolving
from curricula.conflicts.rules import check
from curricula.contract import run_contract
from curricula.drawing.uniform import EqualAllocator, UniformSampler
from curricula.drawing.walks import Walks
from curricula.prompts.dots import DifficultyTargeted
from curricula.stack import CurriculumStack
from tests.unit.curricula.worlds import World


def prompts_of(stack: CurriculumStack, step: int, count: int) -> list[int]:
    return stack.plan(
        step, total_steps=99, num_prompts=count, rollout_budget=8 * count
    ).prompt_indices.tolist()


def test_every_epoch_holds_each_prompt_once_in_an_order_of_its_own() -> None:
    walks, pool = Walks(3), World(size=24).pool
    seen = [
        [int(walks.queues(pool, out=np.zeros(0, dtype=np.int64))[1].take(1)[0]) for _ in range(8)]
        for _ in range(3)
    ]
    members = list(range(1, 24, 3))
    assert all(sorted(epoch) == members for epoch in seen)
    assert len({tuple(epoch) for epoch in seen}) == 3
    assert walks.positions == {"b": 24}


def test_a_queue_passes_over_what_is_out_and_never_gives_a_prompt_twice() -> None:
    walks, pool = Walks(0), World(size=24).pool
    first = walks.queues(pool, out=np.zeros(0, dtype=np.int64))[0].take(6)
    queue = walks.queues(pool, out=np.sort(first))[0]
    assert queue.left == 2 and not set(queue.take(2).tolist()) & set(first.tolist())
    again = walks.queues(pool, out=np.zeros(0, dtype=np.int64))[0]
    assert sorted(np.concatenate([again.take(5), again.take(3)]).tolist()) == list(range(0, 24, 3))


@pytest.mark.parametrize("within", ["walk", "fresh"])
def test_a_stack_walks_if_told_to(within: str) -> None:
    """Twelve plans of 6 of 24 prompts in three equal categories: three epochs."""
    stack = World(size=24).stack([SelfEvolving(within=within)])
    plans = [prompts_of(stack, step, 6) for step in range(12)]
    assert all(len(set(plan)) == 6 for plan in plans)
    visits = np.bincount(np.concatenate(plans), minlength=24)
    spread = [np.ptp(visits[start::3]) for start in range(3)]
    assert (max(spread) <= 1) == (within == "walk"), spread


def test_refills_and_resumes_go_on_where_the_walk_stood() -> None:
    world = World(size=24)
    whole = world.stack([SelfEvolving(within="walk")], lag=3)
    plan = prompts_of(whole, 0, 6)
    refill = whole.refill(0, round=1, num_prompts=4, rollout_budget=32).prompt_indices.tolist()
    assert not set(plan) & set(refill)
    again = world.stack([SelfEvolving(within="walk")], lag=3)
    again.load_state_dict(json.loads(json.dumps(whole.state_dict())))
    for step in (1, 2, 3):
        assert prompts_of(whole, step, 6) == prompts_of(again, step, 6)
    assert whole.state_dict() == again.state_dict()


def test_it_keeps_the_contract() -> None:
    assert [f.problem for f in run_contract(lambda: SelfEvolving(within="walk")) if not f.passed] == []


def test_weights_of_prompts_leave_nothing_to_walk() -> None:
    parts = {
        "sampler": UniformSampler(),
        "category": SelfEvolving(within="walk"),
        "prompts": DifficultyTargeted(),
    }
    (warning,) = check({**parts, "allocator": EqualAllocator()})
    assert "prompts weighs prompts" in warning
