"""Learner and engines in one transfer: both at once, in order, and a failure of either ends it by name."""

import asyncio

import pytest

import rl.weights.exchange
from rl.engines.errors import TransferGroupBroken
from rl.stream.waiting import StreamTimeout
from rl.weights.exchange import WeightExchange
from rl.weights.probe import GapJudge
from rl.weights.sync import WeightSync
from rollout.engine import WeightUpdate
from rollout.weight_buffer import plan_layout
from tests.unit.weights.transfer_world import BATCH, LAYOUT, Rig


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
