"""Work that shares a device, against closed forms of processor sharing."""

import pytest
import simpy

from rl.simulation.pace import Bell, Pace


def ends(pace: Pace, env: simpy.Environment, jobs: list[tuple[float, float]]) -> list[float]:
    """When jobs of (start, seconds) are done."""
    done = [0.0] * len(jobs)

    def job(index: int, start: float, seconds: float):
        yield env.timeout(start)
        yield pace.work(seconds)
        done[index] = env.now

    for index, (start, seconds) in enumerate(jobs):
        env.process(job(index, start, seconds))
    env.run()
    return done


def test_a_device_of_ones_own_is_a_timeout() -> None:
    env = simpy.Environment()
    assert ends(Pace(env), env, [(0, 2.0), (1, 2.0)]) == [2.0, 3.0]


def test_two_jobs_on_one_core_take_turns_finely() -> None:
    env = simpy.Environment()
    # alone for 1 s, then both at half speed: the first has 1 s left, which takes 2 s
    assert ends(Pace(env, capacity=1), env, [(0, 2.0), (1, 2.0)]) == pytest.approx([3.0, 4.0])


def test_three_jobs_on_two_cores_run_at_two_thirds() -> None:
    env = simpy.Environment()
    assert ends(Pace(env, capacity=2), env, [(0, 2.0)] * 3) == pytest.approx([3.0] * 3)


def test_a_held_device_stands_still() -> None:
    env = simpy.Environment()
    pace = Pace(env)

    def learner():
        yield env.timeout(1)
        pace.hold()
        yield env.timeout(5)
        pace.release()

    env.process(learner())
    assert ends(pace, env, [(0, 2.0)]) == pytest.approx([7.0])


def test_a_bell_wakes_those_whose_condition_holds() -> None:
    env = simpy.Environment()
    bell, seen, state = Bell(env), [], {"n": 0}

    def waiter(enough: int):
        yield from bell.until(lambda: state["n"] >= enough)
        seen.append((enough, env.now))

    def ringer():
        for _ in range(3):
            yield env.timeout(1)
            state["n"] += 1
            bell.ring()

    for enough in (3, 1):
        env.process(waiter(enough))
    env.process(ringer())
    env.run()
    assert seen == [(1, 1.0), (3, 3.0)]
