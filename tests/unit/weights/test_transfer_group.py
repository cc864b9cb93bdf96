"""A transfer group that an engine leaves and comes back into: formed anew before the next push."""

import asyncio

import pytest

import rl.weights.exchange
from rl.engines.errors import TransferGroupBroken
from rollout.engine import EngineDead
from tests.unit.weights.transfer_world import Rig


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rl.weights.exchange, "GRACE_S", 0.3)
    monkeypatch.setattr(rl.weights.exchange, "CONNECT_TIMEOUT_S", 1.0)


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
