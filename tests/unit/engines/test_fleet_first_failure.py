"""An engine that raises before any has answered is not started again: the next one would raise the same.

The fleet is the real one, its actors are scripted.
"""

import asyncio
from typing import Any

import pytest
from ray.core.generated.common_pb2 import ActorDiedErrorContext
from ray.exceptions import ActorDiedError, RayError

from rl.engines.errors import EngineLost, FleetDead
from rl.engines.fleet import EngineFleet
from rl.engines.slot import FleetTimeouts
from rollout.engine import EngineDead, EngineFailed
from rollout.types import GroupRequest, SamplingConfig
from tests.unit.engines.test_fleet_progress import DONE, Actor, Call

REQUEST = GroupRequest(group_id=7, prompt_token_ids=(1,), seeds=(1,), sampling=SamplingConfig())
WHY = "the engine did not start: ValueError: Head size 16 is not supported by CPU attention"


class Failing(Actor):
    """Raises ``errors``, one after the other, at ``start`` or at ``generate``."""

    def __init__(self, method: str, errors: list[Exception | None]) -> None:
        super().__init__(0, lambda look: (look, look))
        works = getattr(self, method).remote

        async def call(*arguments: Any) -> Any:
            error = errors.pop(0) if errors else None
            if error is not None:
                raise error
            return await works(*arguments)

        setattr(self, method, Call(call))


def run(
    method: str, errors: list[Exception | None], monkeypatch: pytest.MonkeyPatch, *, requests: int = 1
) -> tuple[int, Any]:
    """(actors started, what the last request came to)."""
    monkeypatch.setattr("rl.engines.members.ray.kill", lambda actor: None)
    started = []

    def make(index: int) -> Actor:
        started.append(index)
        return Failing(method, errors)

    fleet = EngineFleet(
        make_actor=make, num_engines=1, max_restarts=3, timeouts=FleetTimeouts(start=1, health=1)
    )

    async def work() -> Any:
        await fleet.start()
        result: Any = None
        for _ in range(requests):
            try:
                result = await fleet.generate(REQUEST, timeout_s=1)
            except EngineLost as error:
                result = error
        return result

    try:
        result = asyncio.run(work())
    except FleetDead as error:
        result = error
    return len(started), result


def test_a_start_that_raises_ends_with_the_engines_own_message(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [str(x) for x in run("start", [EngineFailed(WHY)], monkeypatch)] == ["1", WHY]


def test_a_first_request_that_raises_ends_the_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    started, error = run("generate", [EngineFailed("the engine died: KeyError: 16")], monkeypatch, requests=2)
    assert started == 1 and isinstance(error, FleetDead)
    assert "engine 0 failed at its first request, and would again: the engine died: KeyError: 16" in str(
        error
    )


def test_an_actor_that_never_ran_because_its_node_went_is_no_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than ``max_restarts``, at a return after one death."""
    monkeypatch.setattr("rl.engines.members.AGAIN_S", 0.0)
    gone = ActorDiedError(ActorDiedErrorContext(never_started=True, actor_id=b"0" * 16))
    errors = [gone] * 5
    starts: list[int] = []

    class Returning(Actor):
        """Dies at its first request; the next five never run."""

        def __init__(self, number: int) -> None:
            super().__init__(0, lambda look: (look, look))
            comes, works = self.start.remote, self.generate.remote

            async def start() -> Any:
                if number and errors:
                    raise errors.pop()
                return await comes()

            async def generate(request: GroupRequest) -> Any:
                if number == 0:
                    raise EngineDead("power cut")
                return await works(request)

            self.start, self.generate = Call(start), Call(generate)

    def make(index: int) -> Actor:
        starts.append(index)
        return Returning(len(starts) - 1)

    monkeypatch.setattr("rl.engines.members.ray.kill", lambda actor: None)
    fleet = EngineFleet(
        make_actor=make, num_engines=1, max_restarts=3, timeouts=FleetTimeouts(start=1, health=1)
    )

    async def work() -> Any:
        await fleet.start()
        with pytest.raises(EngineLost):
            await fleet.generate(REQUEST, timeout_s=1)
        return await fleet.generate(REQUEST, timeout_s=1)

    assert asyncio.run(work()) == [DONE]
    assert len(starts) == 7 and fleet.slots[0].restarts == 1


@pytest.mark.parametrize(
    "errors",
    [[EngineDead("the engine core died")], [None, EngineFailed("the engine died: OSError: 5")]],
    ids=["killed at its first request", "raised after an answer"],
)
def test_what_may_work_the_next_time_is_started_again(
    errors: list[Exception | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("generate", errors, monkeypatch, requests=3) == (2, [DONE])


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), ValueError("cores"), ImportError("no module"), RayError("?")],
)
def test_whatever_keeps_an_engine_from_coming_back_is_tried_again_and_counted(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a node whose /dev/shm is full for a while."""
    made: list[Failing] = []

    def make(index: int) -> Failing:
        raised: list[Exception | None] = [EngineDead("killed")] if not made else [error] * (len(made) < 3)
        made.append(Failing("start" if made else "generate", raised))
        return made[-1]

    monkeypatch.setattr("rl.engines.members.ray.kill", lambda actor: None)
    fleet = EngineFleet(
        make_actor=make,
        num_engines=1,
        max_restarts=3,
        timeouts=FleetTimeouts(start=1, health=1),
        rejoin=True,
    )

    async def work() -> Any:
        await fleet.start()
        with pytest.raises(EngineLost):
            await fleet.generate(REQUEST, timeout_s=1)
        return await fleet.generate(REQUEST, timeout_s=5)

    assert asyncio.run(work()) == [DONE]
    assert fleet.slots[0].restarts == 3 and len(made) == 4
