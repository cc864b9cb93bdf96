"""What every loop waits for, as the waits themselves put it down."""

import asyncio
import math

import pytest

from rl.stream.waiting import Signal, StreamTimeout, wait_for
from rl.stream.waits import as_loop, loop_states, run_as_loop, waiting
from tests.unit.run.virtual_clock import played


def test_a_loop_tells_what_it_waits_for_and_forgets_it_when_it_ends():
    async def scenario():
        signal, done = Signal(), list[int]()
        finished = ["2 of 8"]
        task = asyncio.create_task(
            run_as_loop(
                "batches",
                signal.until(lambda: bool(done), timeout_s=60, what=lambda: f"plan 3: {finished[0]} groups"),
            )
        )
        await asyncio.sleep(0)
        first = loop_states()["batches"]
        finished[0] = "7 of 8"
        signal.notify()
        await asyncio.sleep(0)
        later = loop_states()["batches"]
        done.append(1)
        signal.notify()
        await task
        return first, later, loop_states()

    first, later, after = played(scenario())
    assert (first.waits_for, first.limit_s) == ("plan 3: 2 of 8 groups", 60)
    assert later.waits_for == "plan 3: 7 of 8 groups"
    assert later.since == first.since, "a look in between does not begin the wait anew"
    assert after == {}


def test_a_loop_that_works_waits_for_nothing():
    with as_loop("learner"):
        assert loop_states()["learner"].waits_for is None
        with waiting("batch 4"):
            assert loop_states()["learner"].waits_for == "batch 4"
        assert loop_states()["learner"].waits_for is None
    assert "learner" not in loop_states()


def test_the_innermost_wait_of_a_task_is_shown():
    with as_loop("learner"), waiting("the evaluation of version 5"), waiting("group 7"):
        state = loop_states()["learner"]
    assert (state.waits_for, state.others) == ("group 7", 0)


def test_a_wait_inside_another_loop_leaves_the_outer_one_visible():
    with (
        as_loop("learner"),
        waiting("the evaluation of version 5"),
        as_loop("evaluation"),
        waiting("group 7"),
    ):
        states = loop_states()
    assert states["learner"].waits_for == "the evaluation of version 5"
    assert states["evaluation"].waits_for == "group 7"


def test_of_a_loops_tasks_the_oldest_wait_with_a_limit_is_shown_and_the_others_counted():
    async def scenario():
        async def loop():
            async with asyncio.TaskGroup() as tasks:
                for number in range(3):
                    tasks.create_task(wait_for(asyncio.sleep(0.01), 60, f"group {number}"))
                with waiting("a group to sample"):
                    await asyncio.sleep(0.005)

        task = asyncio.create_task(run_as_loop("rollouts", loop()))
        await asyncio.sleep(0.001)
        state = loop_states()["rollouts"]
        await task
        return state

    state = played(scenario())
    assert (state.waits_for, state.limit_s, state.others) == ("group 0", 60, 2)


def test_waiting_without_a_limit_says_so():
    with as_loop("rollouts"), waiting("a group to sample", limit_s=math.inf):
        assert loop_states()["rollouts"].limit_s is None


def test_a_wait_that_fails_is_over():
    async def scenario():
        with as_loop("learner"):
            with pytest.raises(StreamTimeout, match=r"waited 0\.01 s for plan 3"):
                await wait_for(asyncio.sleep(5), 0.01, "plan 3")
            return loop_states()["learner"].waits_for

    assert played(scenario()) is None


def test_a_cancelled_wait_is_over():
    async def scenario():
        task = asyncio.create_task(run_as_loop("learner", wait_for(asyncio.sleep(5), 60, "plan 3")))
        await asyncio.sleep(0)
        assert loop_states()["learner"].waits_for == "plan 3"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return loop_states()

    assert played(scenario()) == {}
