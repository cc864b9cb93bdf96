"""The order of a job's steps, and two jobs side by side; the same for every backend on this machine."""

import socket
import threading
from collections.abc import Callable
from typing import Protocol

from rewards.sandbox.base import Job, Outcome, SandboxError, Step

Alive = Callable[[], bool]
"""Whether anybody still waits for the outcome."""


class Place(Protocol):
    """A job's directory, in which steps run."""

    def execute(self, step: Step, alive: Alive, *, last: bool, link: socket.socket | None = None) -> Outcome:
        """Run one step; ``link`` becomes its descriptor 3, and is closed here. After the last one nobody
        looks at the directory."""
        ...


def run_steps(job: Job, place: Place, alive: Alive, *, but_last: bool = False) -> list[Outcome]:
    """Steps in order, up to a failure if the job says so; without the last one if ``but_last``."""
    outcomes: list[Outcome] = []
    end = len(job.steps) - 1
    for index, step in enumerate(job.steps[:end] if but_last else job.steps):
        outcomes.append(place.execute(step, alive, last=index == end))
        if job.stop_at_failure and not outcomes[-1].ok:
            break
    return outcomes


def run_linked(
    tested: Job, tester: Job, places: tuple[Place, Place], alive: Alive
) -> tuple[list[Outcome], list[Outcome]]:
    """As of :class:`~rewards.sandbox.base.Sandbox`."""
    first = run_steps(tested, places[0], alive, but_last=True)
    second = run_steps(tester, places[1], alive, but_last=True)
    if not (_may_end(tested, first) and _may_end(tester, second)):
        return first, second
    last = _run_pair(tested.steps[-1], tester.steps[-1], places, alive)
    return [*first, last[0]], [*second, last[1]]


def _may_end(job: Job, done: list[Outcome]) -> bool:
    return len(done) == len(job.steps) - 1 and (
        not job.stop_at_failure or all(outcome.ok for outcome in done)
    )


def _run_pair(
    tested: Step, tester: Step, places: tuple[Place, Place], alive: Alive
) -> tuple[Outcome, Outcome]:
    ends = socket.socketpair()
    tester_ended = threading.Event()
    results: list[Outcome | BaseException] = []

    def run_tested() -> None:
        try:
            results.append(
                places[0].execute(
                    tested, lambda: alive() and not tester_ended.is_set(), last=True, link=ends[0]
                )
            )
        except (SandboxError, OSError, ValueError) as error:
            results.append(error)
        finally:
            ends[0].close()

    beside = threading.Thread(target=run_tested)
    beside.start()
    try:
        of_tester = places[1].execute(tester, alive, last=True, link=ends[1])
    finally:
        ends[1].close()
        tester_ended.set()
        beside.join()
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0], of_tester
