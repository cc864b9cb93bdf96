"""Two sides on one device: never at once, no wait without a name, no change that is half done."""

import asyncio
import random
from functools import partial

import pytest

from rl.stream.turns import ENGINES, LEARNER, Moves, Side, Turns
from rl.stream.waiting import StreamTimeout


class Device:
    """Notes who is on it, and that it is one side at most."""

    def __init__(self, *, limit_s: float = 5.0, change_s: float = 0.0) -> None:
        self.on: set[Side] = {ENGINES}
        self.log: list[str] = []
        self.fails = 0
        self.change_s = change_s
        self.turns = Turns(limit_s=limit_s)
        self.turns.moves = {
            side: Moves(leave=partial(self._leave, side), come=partial(self._come, side))
            for side in (ENGINES, LEARNER)
        }

    async def _leave(self, side: Side) -> None:
        await asyncio.sleep(self.change_s)
        if self.fails:
            self.fails -= 1
            raise RuntimeError(f"the {side} would not leave")
        self.on.discard(side)
        self.log.append(f"{side} left")

    async def _come(self, side: Side) -> None:
        await asyncio.sleep(self.change_s)
        assert not self.on, "the other side is still there"
        self.on.add(side)
        self.log.append(f"{side} came")

    async def work(self, side: Side, what: str, seconds: float = 0.0) -> None:
        async with self.turns.held(side, what):
            assert self.on == {side}
            await asyncio.sleep(seconds)
            assert self.on == {side}
            self.log.append(what)


def test_a_side_that_has_the_device_waits_for_nothing_and_nothing_changes_hands() -> None:
    device = Device()

    async def run() -> None:
        async with device.turns.held(ENGINES, "an evaluation"):
            await asyncio.gather(device.work(ENGINES, "a"), device.work(ENGINES, "b"))

    asyncio.run(run())
    assert device.log == ["a", "b"]
    assert device.turns.metrics() == {"turns/changes": 0.0, "turns/change_s": 0.0}


def test_the_one_side_has_left_before_the_other_comes_and_work_of_one_side_overlaps() -> None:
    device = Device(change_s=0.001)

    async def run() -> None:
        both = asyncio.gather(device.work(ENGINES, "sample", 0.02), device.work(ENGINES, "probe", 0.01))
        await asyncio.sleep(0)
        await asyncio.gather(both, device.work(LEARNER, "train"), device.work(LEARNER, "publish"))

    asyncio.run(run())
    assert {*device.log[:2]} == {"probe", "sample"} and {*device.log[4:]} == {"train", "publish"}
    assert device.log[2:4] == ["engines left", "learner came"]
    assert device.turns.metrics()["turns/changes"] == 1


def test_what_a_holder_calls_holds_the_same_turn() -> None:
    device = Device()

    async def run() -> None:
        async with device.turns.held(LEARNER, "step 3"):
            waiting = asyncio.create_task(device.work(ENGINES, "push"))
            await asyncio.sleep(0)
            await device.work(LEARNER, "train")
            await device.work(LEARNER, "publish")
        await waiting

    asyncio.run(run())
    assert device.log[2:] == ["train", "publish", "learner left", "engines came", "push"]


def test_a_wait_that_runs_out_says_who_has_the_device() -> None:
    device = Device(limit_s=0.02)

    async def run() -> None:
        async with device.turns.held(LEARNER, "step 3"):
            await device.work(ENGINES, "the push of version 3")

    said = "the turn of the engines, for the push of version 3; step 3 has the device"
    with pytest.raises(StreamTimeout, match=said):
        asyncio.run(run())


def test_a_change_outlives_whoever_asked_for_it() -> None:
    device = Device(change_s=0.01)

    async def run() -> None:
        asked = asyncio.create_task(device.work(LEARNER, "train"))
        await asyncio.sleep(0.001)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await device.work(LEARNER, "save")

    asyncio.run(run())
    assert device.log == ["engines left", "learner came", "save"]


def test_a_change_that_fails_fails_whoever_waits_and_is_tried_again_by_the_next() -> None:
    device = Device()
    device.fails = 1

    async def run() -> None:
        with pytest.raises(RuntimeError, match="would not leave"):
            await device.work(LEARNER, "train")
        assert device.turns.side is None
        await device.work(LEARNER, "train again")

    asyncio.run(run())
    assert device.log == ["engines left", "learner came", "train again"]


def test_the_clock_of_a_side_stands_still_while_the_other_has_the_device() -> None:
    device = Device()

    async def run() -> tuple[float, float]:
        async with device.turns.held(LEARNER, "step"):
            before = device.turns.clock(ENGINES)
            await asyncio.sleep(0.05)
            return device.turns.clock(ENGINES) - before, device.turns.clock(LEARNER)

    stood, ran = asyncio.run(run())
    assert stood == 0 and ran >= 0.05


def test_the_end_gives_up_a_change_and_tells_of_the_last_turn() -> None:
    device, told = Device(change_s=30.0), list[str]()
    device.turns.watch = lambda name, started, ended: told.append(name)

    async def run() -> None:
        asked = asyncio.create_task(device.work(LEARNER, "train"))
        await asyncio.sleep(0.01)
        asked.cancel()
        await device.turns.end()

    asyncio.run(asyncio.wait_for(run(), 5))
    assert told == ["engines"]


@pytest.mark.parametrize("seed", range(5))
def test_many_of_both_sides_at_random_all_get_their_turn(seed: int) -> None:
    device, draw = Device(change_s=0.0002), random.Random(seed)

    async def one(number: int) -> None:
        await asyncio.sleep(draw.random() * 0.05)
        asked = asyncio.create_task(device.work(draw.choice((ENGINES, LEARNER)), str(number), 0.0005))
        if draw.random() < 0.2:
            await asyncio.sleep(draw.random() * 0.002)
            asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert asked.cancelled() or asked.exception() is None

    async def run() -> None:
        await asyncio.gather(*(one(i) for i in range(100)))

    asyncio.run(asyncio.wait_for(run(), 20))
    assert sum(name.isdigit() for name in device.log) >= 60
