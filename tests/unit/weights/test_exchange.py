"""Learner and engines in one transfer: both at once, in order, and a failure of either ends it with a name.

The fleet, the exchange and the sender are the real ones; actors, vLLM and the GPU are scripted. A
``threading.Barrier`` stands for NCCL: nobody passes until all are there.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import rl.weights.exchange
from rl.engines.errors import TransferGroupBroken
from rl.engines.fleet import EngineFleet
from rl.engines.slot import FleetTimeouts
from rl.stream.waiting import StreamTimeout
from rl.weights.exchange import WeightExchange
from rl.weights.probe import GapJudge
from rl.weights.sync import WeightSync
from rollout.engine import EngineDead, WeightUpdate
from rollout.weight_buffer import plan_layout
from rollout.weight_sender import Rendezvous, WeightSender
from tests.integration.learner.batches import make_batch

LAYOUT = [("embed.weight", "bfloat16", (8, 4)), ("norm.weight", "float32", (4,))]
NAMES = {
    "names": ["embed.weight", "norm.weight"],
    "dtype_names": ["bfloat16", "float32"],
    "shapes": [[8, 4], [4]],
}
BARRIER_S = 20.0
BATCH = make_batch()
"""Its completions are the probe's tokens."""


class World:
    """What scripted learner and engines share: the collective, and who did what when."""

    def __init__(self, *, transport: str, tensor_parallel: int = 1, fails: str | None = None) -> None:
        self.transport, self.tensor_parallel, self.fails = transport, tensor_parallel, fails
        self.log: list[str] = []
        self.barrier = threading.Barrier(1)
        self.may_start: asyncio.Event | None = None
        """Engines that start wait for it."""

    def gather(self, workers: int) -> None:
        """A new group, of the learner and the engines of so many workers."""
        self.barrier = threading.Barrier(1 + workers // self.tensor_parallel)

    def meet(self) -> None:
        if self.transport == "nccl":
            self.barrier.wait(BARRIER_S)


class Trainer:
    """Calls its client in the order of vLLM's trainer engines; for nccl from a second thread, beside the
    collective."""

    def __init__(self, world: World, rendezvous: Rendezvous, courier) -> None:
        self.world, self.courier = world, courier
        world.gather(rendezvous.num_workers)
        info: dict[str, Any] = {"packed": False}
        if world.transport == "nccl":
            address: dict[str, Any] = {"master_address": rendezvous.address, "master_port": rendezvous.port}
            info = {**address, "rank_offset": 1, "world_size": 1 + rendezvous.num_workers, "packed": True}
        self._beside(lambda: courier.init_weight_transfer_engine(info))

    def _beside(self, tell) -> None:
        executor = ThreadPoolExecutor(max_workers=1)
        told = executor.submit(tell)
        try:
            self.world.meet()
            told.result()
        finally:
            executor.shutdown(wait=False)

    def send_weights(self) -> None:
        if self.world.fails == "learner":
            raise RuntimeError("CUDA out of memory")
        if self.world.fails == "silent":
            threading.Event().wait(0.5)
            return
        self.world.log.append("learner sends")
        self.courier.start_weight_update()
        handles = {"ipc_handles": [{"GPU-1": (1,)}, {"GPU-1": (2,)}]} if self.world.transport == "ipc" else {}
        self._beside(lambda: self.courier.update_weights({**NAMES, **handles}))
        self.courier.finish_weight_update()
        self.world.log.append("learner may train")

    def shutdown(self) -> None:
        self.world.log.append("learner leaves")


class Learner:
    """Plays LearnerGroup around one real WeightSender; blocking calls run in threads, as in the actor."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sender: WeightSender | None = None

    async def prepare_transfer(self, *, transport, num_workers, timeout_s):
        rendezvous = Rendezvous(
            transport=transport, address="10.0.0.1", port=5000, num_workers=num_workers, timeout_s=timeout_s
        )
        self.sender = WeightSender(
            [],
            rendezvous,
            rank=0,
            open_trainer=lambda r, *, rank, courier, weights: Trainer(self.world, r, courier),
        )

    async def connect(self):
        await asyncio.to_thread(self.sender.connect)

    async def send(self):
        await asyncio.to_thread(self.sender.send)

    async def outgoing(self):
        return await asyncio.to_thread(self.sender.courier.outgoing)

    async def delivered(self):
        self.sender.courier.delivered()

    async def score(self, sequences):
        self.world.log.append("learner scores")
        return [[-1.0] * (len(s) - 1) for s in sequences]


class Method:
    def __init__(self, function) -> None:
        self.remote = function

    def options(self, *, concurrency_group):
        assert concurrency_group == "control"
        return self


class Actor:
    """Plays the Ray actor of one engine."""

    def __init__(self, world: World, index: int) -> None:
        self.world, self.index = world, index
        self.init_info: Any = None
        self.updates: list[Any] = []

    def __getattr__(self, name):
        return Method(getattr(type(self), f"do_{name}").__get__(self))

    async def do_start(self):
        if self.world.may_start is not None:
            await self.world.may_start.wait()
        return {}

    async def do_init_weight_transfer(self, info):
        self.init_info = info
        if self.world.fails == f"join {self.index}":
            await asyncio.sleep(60)
        await asyncio.to_thread(self.world.meet)

    async def do_leave_weight_transfer(self):
        self.world.log.append(f"engine {self.index} leaves")

    async def do_stats(self):
        if self.world.fails == f"waits {self.index}":
            self.world.fails = None
            raise EngineDead("the engine core is gone")
        return {}

    async def do_update_weights(self, update):
        if self.world.fails == f"engine {self.index}":
            raise EngineDead("the engine core is gone")
        if self.world.fails == f"hang {self.index}":
            await asyncio.sleep(60)
        await asyncio.to_thread(self.world.meet)
        self.world.log.append(f"engine {self.index} serves {update.version}")
        self.updates.append(update)
        return update.version

    async def do_score(self, sequences):
        self.world.log.append(f"engine {self.index} scores")
        await asyncio.sleep(0.02)
        return [[-1.0] * (len(s) - 1) for s in sequences]


class Rig:
    def __init__(self, *, tensor_parallel: int = 1, sync_s: float = 5.0, engines: int = 2, **world) -> None:
        self.world = World(tensor_parallel=tensor_parallel, **world)
        self.learner = Learner(self.world)
        self.actors: list[Actor] = []
        self.fleet = EngineFleet(
            make_actor=self._actor,
            num_engines=engines,
            max_restarts=3,
            timeouts=FleetTimeouts(sync=sync_s),
            rejoin=False,
        )
        self.exchange = WeightExchange(
            learner=self.learner,
            fleet=self.fleet,
            transport=self.world.transport,
            tensor_parallel=tensor_parallel,
            timeout_s=sync_s,
        )

    def _actor(self, index: int) -> Actor:
        self.actors.append(Actor(self.world, index))
        return self.actors[-1]

    async def up(self) -> None:
        await self.fleet.start()
        await self.exchange.connect()

    def release(self) -> None:
        """Let the threads of a failed transfer end; in a real run their processes are killed."""
        self.world.barrier.abort()
        self.learner.sender.courier._outbox.put({})
        for _ in range(2):
            self.learner.sender.courier.delivered()


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rl.weights.exchange, "GRACE_S", 0.3)
    monkeypatch.setattr(rl.weights.exchange, "CONNECT_TIMEOUT_S", 1.0)


def test_nccl_learner_and_engines_meet_twice() -> None:
    async def run() -> None:
        rig = Rig(transport="nccl", tensor_parallel=2)
        await rig.up()
        assert [(a.init_info["rank_offset"], a.init_info["world_size"]) for a in rig.actors] == [
            (1, 5),
            (3, 5),
        ]
        update = await rig.exchange.send(1)
        assert rig.fleet.confirmed_version == 1
        assert rig.world.log[0] == "learner sends" and rig.world.log.count("learner may train") == 1
        assert [a.updates for a in rig.actors] == [[update], [update]]
        assert (update.transport, update.checksum, update.backend_info) == ("nccl", "", {})
        assert update.tensors == plan_layout(LAYOUT)
        await rig.exchange.send(2)
        assert rig.fleet.confirmed_version == 2

    asyncio.run(run())


def test_ipc_learner_keeps_still_until_the_engine_has_loaded() -> None:
    async def run() -> None:
        rig = Rig(transport="ipc", engines=1)
        await rig.up()
        assert rig.actors[0].init_info == {"packed": False}
        update = await rig.exchange.send(1)
        assert rig.world.log == ["learner sends", "engine 0 serves 1", "learner may train"]
        assert update.backend_info == {"ipc_handles": [{"GPU-1": (1,)}, {"GPU-1": (2,)}]}
        assert update.tensors == plan_layout(LAYOUT)

    asyncio.run(run())


@pytest.mark.parametrize("transport", ["nccl", "ipc"])
def test_a_failed_engine_ends_the_transfer_at_once_and_says_what_to_do(transport: str) -> None:
    async def run() -> None:
        rig = Rig(transport=transport, fails="engine 1", sync_s=30)
        await rig.up()
        with pytest.raises(
            TransferGroupBroken,
            match=r"engine 1 was lost \(EngineDead: the engine core is gone\).*from the last checkpoint",
        ):
            await asyncio.wait_for(rig.exchange.send(1), 2)
        assert len(rig.actors) == 2, "no new actor was made"
        with pytest.raises(TransferGroupBroken, match="engine 1 was lost"):
            await rig.fleet.push(
                WeightUpdate(version=2, transport=transport, path="", tensors=(), checksum="")
            )
        rig.release()

    asyncio.run(run())


def lose(rig: Rig, index: int) -> None:
    """As a request to it does, outside of any push."""
    slot = rig.fleet.slots[index]
    rig.fleet._lose(slot, slot.actor, EngineDead("killed"))


async def up_again(rig: Rig, index: int) -> None:
    async with asyncio.timeout(5):
        while rig.fleet.slots[index].waiting is None:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("transport", ["nccl", "ipc"])
def test_an_engine_lost_between_pushes_comes_back_with_the_next_one(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rl.engines.members.ray.kill", lambda actor: None)

    async def run() -> None:
        rig = Rig(transport=transport)
        await rig.up()
        await rig.exchange.send(1)
        rig.world.may_start = asyncio.Event()
        lose(rig, 1)
        assert not rig.fleet.group_is_current and rig.fleet.confirmed_version == 1
        await rig.exchange.send(2)  # before it is up: of those who live
        assert "engine 1 serves 2" not in rig.world.log and rig.fleet.confirmed_version == 2
        rig.world.may_start.set()
        await up_again(rig, 1)
        slot = rig.fleet.slots[1]
        assert slot.state().detail == "waits for the next push, 1 restart" and not slot.live
        rig.world.log.clear()
        await rig.exchange.send(3)
        assert rig.world.log.index("engine 0 leaves") < rig.world.log.index("learner sends")
        assert "engine 1 leaves" not in rig.world.log, "it was in no group"
        assert slot.live and slot.version == rig.fleet.confirmed_version == 3
        if transport == "nccl":
            infos = [(a.init_info["rank_offset"], a.init_info["world_size"]) for a in rig.actors[::2]]
            assert infos == [(1, 3), (2, 3)]
        await rig.exchange.send(4)
        assert rig.world.log.count("engine 0 leaves") == 1, "the group holds"
        await asyncio.sleep(0)
        assert slot.recovery_s and slot.waiting is None

    asyncio.run(run())


def test_an_engine_that_dies_while_it_waits_is_brought_up_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl.engines.members.ray.kill", lambda actor: None)

    async def run() -> None:
        rig = Rig(transport="nccl")
        await rig.up()
        await rig.exchange.send(1)
        lose(rig, 1)
        await up_again(rig, 1)
        rig.world.fails, rig.world.may_start = "waits 1", asyncio.Event()
        await rig.exchange.send(2)
        assert "engine 1 serves 2" not in rig.world.log and rig.fleet.confirmed_version == 2
        rig.world.may_start.set()
        await up_again(rig, 1)
        await rig.exchange.send(3)
        assert rig.fleet.slots[1].version == 3 and rig.fleet.slots[1].restarts == 2

    asyncio.run(run())


def test_without_an_engine_or_a_group_the_attempt_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl.engines.members.ray.kill", lambda actor: None)

    async def alone() -> None:
        rig = Rig(transport="nccl", engines=1)
        await rig.up()
        lose(rig, 0)
        with pytest.raises(TransferGroupBroken, match="and no other is left"):
            await rig.fleet.serving()

    async def no_group() -> None:
        rig = Rig(transport="nccl")
        await rig.up()
        lose(rig, 1)
        await up_again(rig, 1)
        rig.world.fails = "join 1"
        with pytest.raises(TransferGroupBroken, match=r"could not be formed anew .*waited 1 s for all of 2"):
            await rig.exchange.send(1)
        rig.release()

    asyncio.run(alone())
    asyncio.run(no_group())


def test_a_hanging_engine_is_named() -> None:
    async def run() -> None:
        rig = Rig(transport="nccl", fails="hang 0", sync_s=0.1)
        await rig.up()
        with pytest.raises(
            TransferGroupBroken, match=r"engine 0 was lost .*waited 0.1 s for engine 0 to load version 1"
        ):
            await rig.exchange.send(1)
        rig.release()

    asyncio.run(run())


def test_an_engine_that_does_not_join_ends_the_wait_for_all() -> None:
    async def run() -> None:
        rig = Rig(transport="nccl", fails="join 1")
        with pytest.raises(StreamTimeout, match="waited 1 s for all of 2 engines to join"):
            await rig.up()
        rig.release()

    asyncio.run(run())


def test_a_failing_learner_is_heard_before_any_time_limit() -> None:
    async def run() -> None:
        rig = Rig(transport="nccl", fails="learner", sync_s=30)
        await rig.up()
        with pytest.raises(RuntimeError, match="CUDA out of memory"):
            await asyncio.wait_for(rig.exchange.send(1), 2)
        assert all(not actor.updates for actor in rig.actors)
        rig.release()

    asyncio.run(run())


def test_a_learner_that_never_speaks_is_a_timeout() -> None:
    async def run() -> None:
        rig = Rig(transport="ipc", engines=1, fails="silent", sync_s=0.1)
        await rig.up()
        with pytest.raises(StreamTimeout, match=r"for version 1 to travel by rollout.weight_transfer=ipc"):
            await rig.exchange.send(1)
        rig.release()

    asyncio.run(run())


def sync_of(rig: Rig, *, learner=None, fleet=None, exchange: WeightExchange | None) -> WeightSync:
    return WeightSync(
        learner=learner or rig.learner,
        fleet=fleet or rig.fleet,
        directory="unused",
        judge=GapJudge(floor=0.1, factor=1.0, exact=True),
        probe_every=1,
        exchange=exchange,
    )


def test_sync_sends_while_it_publishes_and_a_probe_is_not_overtaken() -> None:
    async def run() -> None:
        rig = Rig(transport="ipc", engines=1)
        sync = sync_of(rig, exchange=rig.exchange)
        await rig.fleet.start()
        await sync.connect()
        first = await sync.publish(1, BATCH)
        assert rig.fleet.confirmed_version == 1, "on the engines when publish returns"
        rig.world.log.clear()
        push = asyncio.create_task(sync.push(first))
        await asyncio.sleep(0)
        await sync.publish(2, BATCH)
        report = await push
        assert (report.version, report.probe_gap, report.push_s) == (1, 0.0, 0.0)
        assert rig.world.log.index("engine 0 scores") < rig.world.log.index("engine 0 serves 2")
        assert rig.world.log.count("engine 0 serves 1") == 0, "push does not send again"

    asyncio.run(run())


def test_shared_memory_is_published_first_and_pushed_after() -> None:
    class ShmLearner:
        async def publish(self, version, directory):
            log.append(f"publish {version} in {directory}")
            return WeightUpdate(version=version, transport="shm", path="f", tensors=(), checksum="c")

        async def score(self, sequences):
            return [[-1.0] * (len(s) - 1) for s in sequences]

    class ShmFleet:
        async def push(self, update):
            log.append(f"push {update.version} {update.checksum}")

        async def score(self, sequences):
            return [[[-1.0] * (len(s) - 1) for s in sequences]]

    async def run() -> None:
        rig = Rig(transport="ipc", engines=1)
        sync = sync_of(rig, learner=ShmLearner(), fleet=ShmFleet(), exchange=None)
        await sync.connect()
        published = await sync.publish(3, BATCH)
        assert log == ["publish 3 in unused"]
        assert (await sync.push(published)).probe_gap == 0.0
        assert log == ["publish 3 in unused", "push 3 c"]

    log: list[str] = []
    asyncio.run(run())
