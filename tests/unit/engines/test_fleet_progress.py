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
