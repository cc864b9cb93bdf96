"""A group's time limit measures progress: queueing costs nothing, a stuck group is dropped, a stuck engine is
lost.

The fleet is the real one, its actors are scripted.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rl.engines.errors import EngineLost
from rl.engines.fleet import EngineFleet
from rl.engines.progress import completions_of
from rl.engines.slot import FleetTimeouts
from rollout.types import Completion, GroupRequest, SamplingConfig
from tests.unit.engines.test_thinking_budgets import completion

LIMIT_S = 0.2
DONE = completion([1, 2, 3])
Progress = Callable[[int], tuple[int, int]]


class Call:
    """``method.remote(...)``, with or without ``options``."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.remote = function

    def options(self, *, concurrency_group: str) -> "Call":
        return self


class Actor:
    """An engine that needs ``seconds`` for every group and reports ``progress(look)``."""

    def __init__(self, seconds: float, progress: Progress) -> None:
        self.aborted: list[int] = []
        self._looks = 0

        async def generate(request: GroupRequest) -> list[Completion]:
            await asyncio.sleep(seconds)
            return [DONE]

        async def look(group_id: int) -> tuple[int, int]:
            self._looks += 1
            return progress(self._looks)

        async def abort(group_ids: list[int]) -> int:
            self.aborted += group_ids
            return 3 * len(group_ids)

        async def nothing() -> dict[str, float]:
            return {}

        async def score(sequences: list[list[int]]) -> list[list[float]]:
            await asyncio.sleep(seconds)
            return [[-0.5] for _ in sequences]

        self.score = Call(score)
        self.generate, self.progress, self.abort = Call(generate), Call(look), Call(abort)
        self.start = self.stop = Call(nothing)


def generate(seconds: float, progress: Progress) -> tuple[Actor, EngineFleet, Any]:
    """What became of one group: the completions or the exception."""
    actor = Actor(seconds, progress)
    fleet = EngineFleet(
        make_actor=lambda index: actor,
        num_engines=1,
        max_restarts=0,
        timeouts=FleetTimeouts(start=1, health=1),
        rejoin=True,
    )
    request = GroupRequest(group_id=7, prompt_token_ids=(1,), seeds=(1,), sampling=SamplingConfig())

    async def run() -> Any:
        await fleet.start()
        try:
            return await fleet.generate(request, timeout_s=LIMIT_S)
        except EngineLost as error:
            return error

    return actor, fleet, asyncio.run(run())


@pytest.mark.parametrize(
    "progress",
    [lambda look: (0, 100 * look), lambda look: (look, look)],
    ids=["queued behind others", "slow, but getting on"],
)
def test_a_group_that_waits_or_gets_on_is_never_issued_again(progress: Progress) -> None:
    actor, _, result = generate(4 * LIMIT_S, progress)
    assert result == [DONE] and actor.aborted == []


def test_a_group_that_stands_still_while_its_engine_works_is_dropped_and_the_engine_stays() -> None:
    actor, fleet, result = generate(60, lambda look: (5, 100 * look))
    assert isinstance(result, EngineLost) and "a token of group 7 on engine 0 (5 so far)" in str(result)
    assert actor.aborted == [7] and fleet.slots[0].live


def test_an_engine_that_samples_nothing_with_work_to_do_is_lost() -> None:
    _, fleet, result = generate(60, lambda look: (5, 5))
    assert isinstance(result, EngineLost) and "has sampled nothing for 0.2 s" in str(result)
    assert not fleet.slots[0].live


@pytest.mark.parametrize(
    ("progress", "serves"), [(lambda look: (0, 100 * look), True), (lambda look: (0, 5), False)]
)
def test_a_probe_waits_behind_what_the_engine_has_for_as_long_as_it_samples(
    progress: Progress, serves: bool
) -> None:
    actor = Actor(4 * LIMIT_S if serves else 60, progress)
    fleet = EngineFleet(
        make_actor=lambda index: actor,
        num_engines=1,
        max_restarts=0,
        timeouts=FleetTimeouts(start=1, health=1, sync=LIMIT_S),
        rejoin=True,
    )

    async def run() -> list[list[list[float]]]:
        await fleet.start()
        return await fleet.score([[1, 2]])

    assert asyncio.run(run()) == ([[[-0.5]]] if serves else []) and fleet.slots[0].live is serves


def test_a_controller_that_stood_still_before_its_first_look_blames_no_engine() -> None:
    seen: list[float] = []

    def clock() -> float:
        """Long after the start at the first look."""
        seen.append(len(seen) * 100.0 if len(seen) < 2 else seen[-1])
        return seen[-1]

    async def run() -> list[Completion]:
        actor = Actor(2 * LIMIT_S, lambda look: (look, look))
        request = GroupRequest(group_id=7, prompt_token_ids=(1,), seeds=(1,), sampling=SamplingConfig())
        return await completions_of(0, actor, request, timeout_s=LIMIT_S, health_s=1, clock=clock)

    assert asyncio.run(run()) == [DONE]
