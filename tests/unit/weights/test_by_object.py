"""Weights by Ray's object store: put and fetched while learner and engines go on, and pushed once they are
there. The sync and the fleet are the real ones, learner and actors are scripted."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from rl.engines.fleet import EngineFleet
from rl.engines.slot import FleetTimeouts
from rl.weights.probe import GapJudge
from rl.weights.sync import WeightSync
from rollout.engine import WeightUpdate
from tests.unit.engines.test_fleet_progress import Actor, Call


class Engine(Actor):
    """One that fetches before it loads, and may fail at the first fetch."""

    def __init__(self, index: int, events: list[str], *, fails: bool = False) -> None:
        super().__init__(0, lambda look: (look, look))
        fetched: set[int] = set()

        async def fetch(update: WeightUpdate) -> WeightUpdate:
            nonlocal fails
            assert update.parts
            if fails:
                fails = False
                raise RuntimeError("part 0 of a push is gone")
            await asyncio.sleep(0)
            fetched.add(update.version)
            events.append(f"engine {index} fetched {update.version}")
            return update

        async def load(update: WeightUpdate) -> int:
            if update.version not in fetched:
                await fetch(update)
            events.append(f"engine {index} loaded {update.version}")
            return update.version

        self.fetch_weights, self.update_weights = Call(fetch), Call(load)


class Learner:
    def __init__(self, events: list[str]) -> None:
        self.events, self.dies = events, False

    async def publish(self, version: int, directory: str) -> WeightUpdate:
        self.events.append(f"published {version}")
        return WeightUpdate(version=version, transport="shm", path="f", tensors=(), checksum="c")

    async def put(self, update: WeightUpdate, *, changes: bool) -> WeightUpdate:
        if self.dies:
            raise RuntimeError("learner rank 0 died during learner.put")
        self.events.append(f"put {update.version}")
        return replace(update, transport="object", parts=("reference",))


def build(
    events: list[str], *, failing: int = -1, learner: Learner | None = None
) -> tuple[WeightSync, EngineFleet]:
    made: list[int] = []

    def make(index: int) -> Engine:
        made.append(index)
        return Engine(index, events, fails=made.count(index) == 1 and index == failing)

    fleet = EngineFleet(
        make_actor=make, num_engines=2, max_restarts=1, timeouts=FleetTimeouts(start=1, health=1, sync=1)
    )
    judge = GapJudge(floor=1.0, factor=1.0, exact=False)
    sync = WeightSync(
        learner=learner or Learner(events),
        fleet=fleet,
        directory="d",
        judge=judge,
        probe_every=0,
        by_object=True,
    )
    return sync, fleet


def test_the_bytes_travel_before_the_push_is_asked_for() -> None:
    events: list[str] = []
    sync, fleet = build(events)

    async def run() -> None:
        await fleet.start()
        assert await sync.newest() is None
        published = await sync.publish(1)
        assert events == ["published 1"], "the learner is free again"
        newest: Any = await sync.newest()
        assert (newest.transport, newest.parts) == ("object", ("reference",))
        assert events[1:] == ["put 1", "engine 0 fetched 1", "engine 1 fetched 1"]
        report = await sync.push(published)
        assert events[4:] == ["engine 0 loaded 1", "engine 1 loaded 1"]
        assert (report.version, fleet.confirmed_version) == (1, 1)
        await sync.push(await sync.publish(2))  # at once: it waits for the fetch by itself
        assert events[-2:] == ["engine 0 loaded 2", "engine 1 loaded 2"] and fleet.confirmed_version == 2

    asyncio.run(run())


def test_an_engine_that_cannot_fetch_is_lost_and_comes_back_with_the_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rl.engines.members.ray.kill", lambda actor: None)
    events: list[str] = []
    sync, fleet = build(events, failing=1)

    async def run() -> None:
        await fleet.start()
        await sync.push(await sync.publish(1))
        assert fleet.confirmed_version == 1
        async with asyncio.timeout(5):
            while not all(slot.live for slot in fleet.slots):
                await asyncio.sleep(0.01)
        assert [slot.version for slot in fleet.slots] == [1, 1]
        assert [slot.restarts for slot in fleet.slots] == [0, 1]

    asyncio.run(run())


def test_a_learner_that_dies_while_it_puts_fails_the_push() -> None:
    events: list[str] = []
    learner = Learner(events)
    sync, fleet = build(events, learner=learner)
    learner.dies = True

    async def run() -> None:
        await fleet.start()
        published = await sync.publish(1)
        with pytest.raises(RuntimeError, match="rank 0 died"):
            await sync.push(published)
        assert fleet.confirmed_version == 0 and not any("loaded" in event for event in events)

    asyncio.run(run())
