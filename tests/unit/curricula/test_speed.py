"""SPEED: a screening first, the rest where it was mixed (docs/methods/allocators.md#speed)."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curricula.allocators.knapsack_solver import informative
from curricula.allocators.speed import SpeedAllocator, SpeedSampler
from curricula.stack import CurriculumStack
from tests.unit.curricula.worlds import World


def stack_of(world: World) -> CurriculumStack:
    return world.stack([SpeedAllocator(screen=4), SpeedSampler()])


def test_expected_cost_of_the_worked_example() -> None:
    """60% of a pool at 0 or 1, 40% at 1/2: 60 rollouts a useful prompt in groups of 24, 31.43 in 4 + 20; at
    .1 it is worse."""
    assert 24 / (0.4 * informative(24, 0.5)) == pytest.approx(60.0, abs=5e-3)
    assert 4 / (0.4 * informative(4, 0.5)) + 20 == pytest.approx(31.43, abs=5e-3)
    assert 4 / informative(4, 0.1) + 20 == pytest.approx(31.6, abs=0.05)
    assert 24 / informative(24, 0.1) == pytest.approx(26.1, abs=0.05)


def test_mixed_prompts_come_back_next_with_what_the_screenings_leave() -> None:
    world = World()
    stack = stack_of(world)
    first = stack.plan(0, total_steps=9, num_prompts=6, rollout_budget=48)
    assert first.num_rollouts.tolist() == [8] * 6, "nothing is known: equal groups"
    a, b, *others = first.prompt_indices.tolist()
    stack.observe(0, [world.stat(i, n=8, correct=3 if i in (a, b) else 8) for i in [a, b, *others]])
    second = stack.plan(1, total_steps=9, num_prompts=6, rollout_budget=48)
    assert second.prompt_indices[:2].tolist() == [a, b]
    assert second.num_rollouts.tolist() == [16, 16, 4, 4, 4, 4]
    assert second.metrics["curriculum/speed_continued_ratio"] == pytest.approx(2 / 6)
    assert second.metrics["curriculum/speed_continued_rollouts_ratio"] == pytest.approx(32 / 48)
    assert not set(first.prompt_indices.tolist()) & set(second.prompt_indices[2:].tolist()), (
        "the epoch goes on"
    )
    # A continuation is no screening: a and b were mixed again, and still do not come back.
    stack.observe(
        1,
        [world.stat(i, n=8, correct=3 if i in (a, b) else 0, step=1) for i in second.prompt_indices.tolist()],
    )
    third = stack.plan(2, total_steps=9, num_prompts=6, rollout_budget=48)
    assert not {a, b} & set(third.prompt_indices.tolist())


def test_refills_screen_new_prompts_and_repeat_no_continuation() -> None:
    world = World()
    stack = stack_of(world)
    first = stack.plan(0, total_steps=9, num_prompts=4, rollout_budget=32)
    stack.observe(0, [world.stat(i, n=8, correct=3) for i in first.prompt_indices.tolist()[:2]])
    second = stack.plan(1, total_steps=9, num_prompts=4, rollout_budget=32)
    refill = stack.refill(1, round=1, num_prompts=3, rollout_budget=24)
    assert len(set(second.prompt_indices.tolist()) | set(refill.prompt_indices.tolist())) == 7
    assert refill.num_rollouts.tolist() == [8, 8, 8]


def test_every_prompt_is_screened_once_an_epoch() -> None:
    world = World(size=20)
    stack, screened = stack_of(world), []
    continued: set[int] = set()
    for step in range(60):
        plan = stack.plan(step, total_steps=60, num_prompts=5, rollout_budget=40)
        drawn = plan.prompt_indices.tolist()
        screened += [i for i in drawn if i not in continued]
        # Prompt i is always mixed if it is even.
        continued = {i for i in drawn if i % 2 == 0 and i not in continued}
        stack.observe(step, [world.stat(i, n=8, correct=4 if i % 2 == 0 else 8, step=step) for i in drawn])
        if len(screened) >= 20:
            break
    assert sorted(screened[:20]) == list(range(20))


def test_with_a_lag_the_continuation_comes_after_it_once() -> None:
    world = World(size=100)
    stack, plans = world.stack([SpeedAllocator(), SpeedSampler()], lag=2), []
    for step in range(12):
        plans.append(
            stack.plan(step, total_steps=12, num_prompts=4, rollout_budget=32).prompt_indices.tolist()
        )
        if step >= 2:
            stack.observe(step - 2, [world.stat(i, n=8, correct=4, step=step - 2) for i in plans[step - 2]])
    assert plans[3][:3] == plans[0][:3], "one of four places stays for a new prompt"
    counts = np.bincount(np.concatenate(plans), minlength=100)
    assert counts.max() == 2


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_budget_floor_and_cap_hold_on_any_input(data: st.DataObject) -> None:
    waiting = np.array(data.draw(st.lists(st.booleans(), min_size=1, max_size=12)))
    screen = data.draw(st.integers(2, 5))
    cap = data.draw(st.integers(screen, 30))
    budget = data.draw(st.integers(len(waiting) * screen, len(waiting) * cap))
    counts = SpeedAllocator(screen=screen, cap=cap).split(waiting, budget=budget)
    assert counts.sum() == budget
    assert counts.min() >= screen
    assert counts.max() <= cap
    if waiting.any() and not waiting.all():
        assert counts[waiting].min() >= counts[~waiting].max(), "continuations never get less than screenings"
        assert counts[~waiting].max() == screen or counts[waiting].min() == cap


def test_state_and_errors() -> None:
    world, part = World(), SpeedAllocator()
    world.observe(part, [world.stat(3, n=4, correct=2), world.stat(5, n=4, correct=0)])
    state = json.loads(json.dumps(part.state_dict()))
    assert state == {"waiting": [3], "newest": [3]}
    again = SpeedAllocator()
    again.load_state_dict(state)
    assert again.allocate(world.ctx(rollout_budget=20), np.array([3, 5])).num_rollouts.tolist() == [16, 4]
    with pytest.raises(ValueError, match="cap=3 is below screen=4"):
        SpeedAllocator(cap=3)
    with pytest.raises(ValueError, match=r"speed: 7 rollouts for 2 prompts, but floor=4 takes 8"):
        part.split(np.array([True, False]), budget=7)
