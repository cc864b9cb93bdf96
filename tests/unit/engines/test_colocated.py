"""Engines that have their device in turns with a learner: the fleet and the lock are real, the actors
scripted."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rl.engines.colocated import ColocatedFleet
from rl.engines.errors import EngineLost
from rl.engines.slot import FleetTimeouts
from rl.stream.turns import ENGINES, LEARNER, Moves, Turns
from rollout.engine import EngineDead, WeightUpdate
from rollout.types import Completion, GroupRequest, SamplingConfig
from tests.unit.engines.test_fleet_progress import DONE, Call
from tests.unit.run.virtual_clock import played

REQUEST = GroupRequest(group_id=7, prompt_token_ids=(1,), seeds=(1,), sampling=SamplingConfig())


def update(version: int) -> WeightUpdate:
    return WeightUpdate(version=version, transport="shm", path="", tensors=(), checksum="")


class Engine:
    """An actor that does what an engine does, and notes it."""

    def __init__(self, log: list[str]) -> None:
        self.log, self.level, self.version, self.dead = log, 0, 0, False
        self.awake = asyncio.Event()
        for name in ("start", "stop", "sleep", "wake", "update_weights", "generate", "progress", "score"):
            setattr(self, name, Call(self._living(getattr(self, f"_{name}"))))

    def _living(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*arguments: Any) -> Any:
            if self.dead:
                raise EngineDead("killed")
            return await method(*arguments)

        return call

    async def _start(self) -> dict[str, Any]:
        self.log.append("start")
        self.awake.set()
        return {}

    async def _stop(self) -> None:
        self.log.append("stop")

    async def _sleep(self, level: int) -> int:
        self.level = level
        self.awake.clear()
        self.log.append(f"sleep {level}")
        return 5

    async def _wake(self, given: WeightUpdate | None) -> tuple[int, int]:
        assert (given is None) == (self.level == 1), "level 2 has no weights, level 1 has its own"
        self.level = 0
        self.awake.set()
        self.version = self.version if given is None else given.version
        self.log.append(f"wake {None if given is None else given.version}")
        return self.version, 5

    async def _update_weights(self, given: WeightUpdate) -> int:
        assert not self.level
        self.version = given.version
        self.log.append(f"load {given.version}")
        return self.version

    async def _generate(self, request: GroupRequest) -> list[Completion]:
        self.log.append("generate")
        await asyncio.sleep(0.02)
        await self.awake.wait()
        return [DONE]

    async def _progress(self, group_id: int) -> tuple[int, int]:
        return (1, 1)

    async def _score(self, sequences: Any) -> list[list[float]]:
        return [[0.0]]


class World:
    """A fleet of one engine, and a learner that is nothing but its turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, level: int, apart: int = 0) -> None:
        self.log: list[str] = []
        self.engines: list[Engine] = []
        self.turns = Turns(limit_s=5)
        monkeypatch.setattr("rl.engines.members.ray.kill", lambda actor: setattr(actor, "dead", True))
        self.fleet = ColocatedFleet(
            make_actor=self._make,
            num_engines=1 + apart,
            apart=apart,
            max_restarts=3,
            timeouts=FleetTimeouts(start=1, sync=1, health=1),
            turns=self.turns,
        )
        self.turns.moves = {
            ENGINES: Moves(leave=lambda: self.fleet.sleep(level), come=self.fleet.wake),
            LEARNER: Moves(),
        }

    def _make(self, index: int) -> Engine:
        self.engines.append(Engine(self.log))
        return self.engines[-1]

    async def step(self, version: int, *, learner_s: float = 0.0) -> None:
        async with self.turns.held(LEARNER, "step"):
            self.log.append("train")
            await asyncio.sleep(learner_s)
        await self.fleet.push(update(version))


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (1, ["start", "sleep 1", "train", "wake None", "load 1", "sleep 1", "train", "wake None", "load 2"]),
        # Before the first push there is nothing to restore it with, so it keeps its weights.
        (2, ["start", "sleep 1", "train", "wake None", "load 1", "sleep 2", "train", "wake 2"]),
    ],
)
def test_a_push_finds_the_engine_awake_and_brings_what_it_dropped(
    monkeypatch: pytest.MonkeyPatch, level: int, expected: list[str]
) -> None:
    world = World(monkeypatch, level=level)

    async def run() -> None:
        await world.fleet.start()
        await world.step(1)
        await world.step(2)

    played(run())
    assert world.log == expected
    assert world.fleet.confirmed_version == 2
    assert world.fleet.metrics()["turns/tokens_asleep"] == 0


def test_a_learners_turn_without_a_push_gives_the_last_weights_back(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, level=2)

    async def run() -> None:
        await world.fleet.start()
        await world.step(1)
        async with world.turns.held(LEARNER, "export"):
            pass
        assert await world.fleet.generate(REQUEST, timeout_s=5) == [DONE]

    played(run())
    assert world.log[-4:] == ["load 1", "sleep 2", "wake 1", "generate"]


def test_an_engine_apart_samples_on_in_the_learners_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, level=1, apart=1)

    async def run() -> None:
        await world.fleet.start()
        async with world.turns.held(LEARNER, "step"):
            assert [engine.level for engine in world.engines] == [1, 0]
            for _ in range(2):
                assert await world.fleet.generate(REQUEST, timeout_s=5) == [DONE]
        assert world.turns.side == LEARNER, "nobody asked for the engines' turn"
        await world.fleet.push(update(1))
        assert [engine.version for engine in world.engines] == [1, 1]
        both = (world.fleet.generate(REQUEST, timeout_s=5) for _ in range(2))
        assert await asyncio.gather(*both) == [[DONE], [DONE]]
        world.engines[1].dead = True
        with pytest.raises(EngineLost):
            await asyncio.gather(*(world.fleet.generate(REQUEST, timeout_s=5) for _ in range(2)))
        async with asyncio.timeout(5), world.turns.held(LEARNER, "step"):
            while not world.fleet.slots[1].live:
                await asyncio.sleep(0.01)
        assert world.engines[2].version == 1, "it starts in the learner's turn, too"

    played(run())


def test_a_group_is_not_late_while_its_engine_must_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its limit is a fifth of the learner's turn."""
    world = World(monkeypatch, level=1)

    async def run() -> Any:
        await world.fleet.start()
        answer = asyncio.create_task(world.fleet.generate(REQUEST, timeout_s=0.1))
        await asyncio.sleep(0.005)
        await world.step(1, learner_s=0.5)
        return await answer

    assert played(run()) == [DONE]
    assert world.log == ["start", "generate", "sleep 1", "train", "wake None", "load 1"]


@pytest.mark.parametrize("when", ["before it slept", "in its sleep"])
def test_an_engine_that_dies_comes_back_in_the_engines_turn_with_the_newest_weights(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    world = World(monkeypatch, level=2)

    async def run() -> None:
        await world.fleet.start()
        await world.step(1)
        world.engines[0].dead = when == "before it slept"
        async with world.turns.held(LEARNER, "step"):
            world.engines[0].dead = True
            await asyncio.sleep(0.05)
            assert len(world.engines) == 1, "the device is the learner's"
        await world.fleet.push(update(2))
        assert await world.fleet.generate(REQUEST, timeout_s=5) == [DONE]

    played(run())
    assert world.log[-3:] == ["start", "load 2", "generate"]
    assert world.fleet.confirmed_version == 2 and len(world.engines) == 2


def test_a_group_of_an_engine_that_dies_in_its_sleep_is_issued_again_in_the_engines_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, level=1)

    async def run() -> None:
        await world.fleet.start()
        answer = asyncio.create_task(world.fleet.generate(REQUEST, timeout_s=0.1))
        await asyncio.sleep(0.005)
        async with world.turns.held(LEARNER, "step"):
            world.engines[0].dead = True
            with pytest.raises(EngineLost):
                await answer
            again = asyncio.create_task(world.fleet.generate(REQUEST, timeout_s=5))
            await asyncio.sleep(0.05)
            assert world.log[-1] == "sleep 1"
        assert await again == [DONE]

    played(run())
    assert world.log[-2:] == ["start", "generate"]
