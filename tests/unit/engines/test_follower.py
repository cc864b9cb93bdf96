"""An elastic fleet follows nodes: joined, gone, drained; the learner comes first.

Fleet and follower are the real ones; nodes, seats and actors are scripted.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rl.cluster.nodes import ClusterNode
from rl.cluster.placement import Bundle
from rl.engines.errors import EngineLost, FleetDead
from rl.engines.fleet import EngineFleet
from rl.engines.follower import MARGIN_S, NodeFollower
from rl.engines.slot import FleetTimeouts
from rollout.types import GroupRequest, SamplingConfig
from tests.unit.engines.test_fleet_progress import DONE, Actor
from tests.unit.run.virtual_clock import played


class Seats:
    """As much of ``Placed`` as the follower asks: two engines at the start, one for each node that joins."""

    def __init__(self) -> None:
        self.engine_nodes = {0: "a", 1: "b"}
        self.known = {"a", "b"}
        self.per_node = 1
        self.engine_bundle = Bundle(1.0)
        self.learner_waits = False
        self.full: set[str] = set()
        self.ranks = {"l"}
        self._engines = 2

    def taken(self) -> dict[str, list[dict[str, float]]] | None:
        if self.learner_waits:
            return None
        return {node: [{"CPU": 1.0}] for node in self.engine_nodes.values()}

    def next_engine(self) -> int:
        self._engines += 1
        return self._engines - 1

    def open(self, engine: int, node: str, *, timeout_s: float) -> bool:
        if node in self.full:
            return False
        self.engine_nodes[engine] = node
        return True

    def close(self, engine: int) -> None:
        self.engine_nodes.pop(engine, None)

    def nodes(self) -> tuple[set[str], set[str]]:
        return self.ranks, set(self.engine_nodes.values())


class World:
    """Two nodes with an engine each, a fleet on them, and its follower."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, seconds: float = 0.0) -> None:
        monkeypatch.setattr("rl.engines.members.ray.kill", self._killed)
        self.killed: list[Any] = []
        self.problem: str | None = None
        self.nodes = [self.node("a"), self.node("b")]
        self.seats = Seats()
        self.hastened: list[int] = []
        self.fleet = EngineFleet(
            make_actor=lambda index: Actor(seconds, lambda look: (look, look)),
            indices=sorted(self.seats.engine_nodes),
            max_restarts=1,
            timeouts=FleetTimeouts(start=1, health=1),
        )
        self.follower = NodeFollower(
            fleet=self.fleet,
            placed=self.seats,
            admit=lambda node: self.problem,
            grace_s=5.0,
            hasten=lambda: self.hastened.append(1),
            nodes=lambda: self.nodes,
        )

    def _killed(self, actor: Any) -> None:
        self.killed.append(actor)

    @staticmethod
    def node(name: str, *, cpus: float = 1.0, **drain: Any) -> ClusterNode:
        return ClusterNode(id=name, address=f"10.0.0.{ord(name)}", resources={"CPU": cpus}, **drain)

    @property
    def live(self) -> list[int]:
        return [slot.index for slot in self.fleet.slots if slot.live]

    async def look(self) -> None:
        """One look, and time for what it began."""
        await self.follower.look()
        await asyncio.sleep(0.05)


def run(work: Callable[[], Awaitable[None]]) -> None:
    played(work())


def test_a_node_that_joins_gets_an_engine_and_one_that_is_gone_loses_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)

    async def work() -> None:
        await world.fleet.start()
        await world.look()
        assert world.live == [0, 1], "nodes of the start keep what they have"
        world.nodes = [*world.nodes, world.node("c", cpus=2.0), world.node("d", cpus=0.5)]
        await world.look()
        await world.look()
        assert world.live == [0, 1, 2] and world.seats.engine_nodes[2] == "c", "once, and not without room"
        gone = world.fleet.slots[1].actor
        world.nodes = [node for node in world.nodes if node.id != "b"]
        await world.look()
        assert world.live == [0, 2] and world.killed == [gone] and 1 not in world.seats.engine_nodes
        world.nodes.append(world.node("b"))
        await world.look()
        assert world.live == [0, 2, 3], "a node that came back gets another engine"
        assert world.fleet.metrics()["rollout/engines_joined"] == 2
        assert world.fleet.metrics()["rollout/engines_left"] == 1

    run(work)


def test_a_draining_node_with_a_learner_rank_asks_for_a_checkpoint_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)

    async def work() -> None:
        await world.fleet.start()
        world.nodes += [world.node("l", draining=True), world.node("o", draining=True)]
        await world.look()
        await world.look()
        assert world.hastened == [1] and world.live == [0, 1]

    run(work)


def test_engines_of_a_draining_node_finish_what_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, seconds=0.3)
    request = GroupRequest(group_id=7, prompt_token_ids=(1,), seeds=(1,), sampling=SamplingConfig())

    async def work() -> None:
        await world.fleet.start()
        mine = asyncio.create_task(world.fleet.generate(request, timeout_s=5))
        await asyncio.sleep(0.05)
        assert world.fleet.slots[0].outstanding == 1
        world.nodes = [world.node("a", draining=True, deadline=time.time() + MARGIN_S + 5), world.node("b")]
        await world.look()
        assert world.live == [1] and len(world.fleet.slots) == 2, "no more groups, and not gone yet"
        assert await mine == [DONE]
        await asyncio.sleep(0.4)
        assert [slot.index for slot in world.fleet.slots] == [1] and 0 not in world.seats.engine_nodes
        await world.look()
        assert world.live == [1]

    run(work)


def test_groups_that_take_longer_than_the_deadline_are_issued_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, seconds=30.0)
    request = GroupRequest(group_id=7, prompt_token_ids=(1,), seeds=(1,), sampling=SamplingConfig())

    async def work() -> None:
        await world.fleet.start()
        actor = world.fleet.slots[0].actor
        mine = asyncio.create_task(world.fleet.generate(request, timeout_s=0.2))
        await asyncio.sleep(0.05)
        world.nodes = [world.node("a", draining=True, deadline=time.time()), world.node("b")]
        await world.look()
        assert actor in world.killed and world.live == [1]
        mine.cancel()  # the real actor's death raises there; this one's does not
        await asyncio.gather(mine, return_exceptions=True)

    run(work)


def test_the_learner_finds_its_place_before_any_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)

    async def work() -> None:
        await world.fleet.start()
        world.seats.learner_waits = True
        world.nodes.append(world.node("c"))
        await world.look()
        assert world.live == [0, 1]
        world.seats.learner_waits = False
        await world.look()
        assert world.live == [0, 1, 2]

    run(work)


def test_a_node_that_lacks_the_base_gets_no_engine(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(monkeypatch)

    async def work() -> None:
        await world.fleet.start()
        world.problem = "model: put the base on storage that all nodes share"
        world.nodes.append(world.node("c"))
        await world.look()
        await world.look()
        assert world.live == [0, 1]

    run(work)
    said = [r.message for r in caplog.records if "put the base on storage" in r.message]
    assert said == [f"node {world.node('c').address} joined and gets no engine: {world.problem}"], "said once"


def test_an_engine_whose_node_dies_while_it_starts_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    slow = world.fleet.slots[1]

    async def never() -> dict[str, float]:
        await asyncio.sleep(60)
        return {}

    def make(index: int) -> Actor:
        actor = Actor(0, lambda look: (look, look))
        if index == slow.index:
            actor.start.remote = never
        return actor

    world.fleet._make_actor = make

    async def work() -> None:
        start = asyncio.create_task(world.fleet.start())
        await asyncio.sleep(0.05)
        world.nodes = [world.node("a")]
        await world.look()
        await asyncio.wait_for(start, 0.5)
        assert world.live == [0]

    run(work)


def test_nodes_that_cannot_be_asked_end_the_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.follower._nodes = lambda: 1 / 0  # type: ignore[assignment,return-value]

    async def work() -> None:
        await world.fleet.start()
        async with world.follower.following():
            with pytest.raises(FleetDead, match="the nodes cannot be followed"):
                await asyncio.wait_for(world.fleet.watch(), 2)
            with pytest.raises((FleetDead, EngineLost)):
                await world.fleet.serving()

    run(work)
