"""The loops on one device: engines and learner scripted, the lock and the controller real."""

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest

from rl.run.controller import Controller
from rl.stream.turns import ENGINES, LEARNER, Moves, Turns
from rl.weights.sync import SyncReport
from tests.unit.run.test_controller import ScriptedFleet, ScriptedLearner, ScriptedSync, build, snapshots_of
from tests.unit.run.virtual_clock import played


class Device:
    """Who is on it; whoever works there asserts that nobody of the other side is."""

    def __init__(self) -> None:
        self.turns = Turns(limit_s=5)
        self.awake = asyncio.Event()
        self.awake.set()
        self.turns.moves = {
            ENGINES: Moves(leave=self._sleep, come=self._wake),
            LEARNER: Moves(),
        }
        self.sleeps = 0

    async def _sleep(self) -> None:
        await asyncio.sleep(0.0005)
        self.awake.clear()
        self.sleeps += 1

    async def _wake(self) -> None:
        await asyncio.sleep(0.0005)
        self.awake.set()


class Fleet(ScriptedFleet):
    """Samples in small steps, while it is awake."""

    device: Device

    async def generate(self, request: Any, *, timeout_s: float) -> Any:
        await self.device.turns.come(ENGINES, "a group")
        for _ in range(self.rng.randrange(1, 6)):
            await self.device.awake.wait()
            assert self.device.turns.side != LEARNER
            await asyncio.sleep(0.0005)
        return await super().generate(request, timeout_s=timeout_s)


class Learner(ScriptedLearner):
    device: Device

    async def train(self, batch: Any) -> Any:
        async with self.device.turns.held(LEARNER, "train"):
            assert not self.device.awake.is_set()
            result = await super().train(batch)
            assert not self.device.awake.is_set(), "an engine woke up beside the learner"
            return result


class Sync(ScriptedSync):
    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet)
        self.pushed: list[int] = []

    async def push(self, version: int) -> SyncReport:
        async with self.fleet.device.turns.held(ENGINES, "push"):  # type: ignore[attr-defined]
            self.pushed.append(version)
            return await super().push(version)

    async def publish(self, version: int, batch: Any = None) -> int:
        return version


async def trained(**settings: Any) -> tuple[Any, Device, Sync]:
    device = Device()
    fleet, learner = Fleet(random.Random(0), loss_rate=settings.pop("loss_rate", 0.0)), Learner()
    fleet.device = learner.device = device
    plain = build(fleet=fleet, learner=learner, **settings)
    sync = Sync(fleet)
    parts = replace(plain.parts, turns=device.turns, sync=sync)
    controller = Controller(config=plain.config, parts=parts, state=plain.state)
    assert await asyncio.wait_for(controller.run(), 60)
    return controller, device, sync


@pytest.mark.parametrize("loss_rate", [0.0, 0.2])
def test_a_synchronous_run_in_turns_trains_what_an_ordinary_one_trains(loss_rate: float) -> None:
    controller, device, sync = played(trained(steps=6, staleness=0, loss_rate=loss_rate))
    plain = build(steps=6, staleness=0)
    played(plain.run())
    assert controller.parts.recorder.trained_groups == plain.parts.recorder.trained_groups
    assert sync.pushed == [1, 2, 3, 4, 5, 6], "each step is on the engines before the next plan"
    assert device.sleeps == 6, "one turn of the learner a step"


@pytest.mark.parametrize("staleness", [1, 3])
def test_with_plans_ahead_staleness_is_bounded_and_whole_batches_share_a_turn(staleness: int) -> None:
    steps = 12
    controller, device, sync = played(trained(steps=steps, staleness=staleness))
    for batch in controller.parts.learner.batches:
        old = batch.step - batch.token_versions[batch.token_versions >= 0]
        assert old.min() >= 0 and old.max() <= staleness
    assert [step for step, _ in controller.parts.recorder.trained_groups] == sorted(
        step for step, _ in controller.parts.recorder.trained_groups
    )
    assert sync.pushed == sorted(set(sync.pushed)) and sync.pushed[-1] == steps
    assert device.sleeps <= steps
    assert [version for version, _ in snapshots_of(controller)][-1] == steps


def test_batches_that_are_whole_together_are_trained_in_one_turn() -> None:
    """Two plans sampled side by side, without stragglers: the learner trains both before anybody wakes up."""
    _, device, sync = played(trained(steps=12, staleness=1, prompts_per_step=1))
    assert len(sync.pushed) < 12 and device.sleeps < 12


def test_a_stop_in_the_learners_turn_leaves_a_checkpoint_and_the_last_weights_on_the_engines() -> None:
    async def scenario() -> tuple[Controller, Sync]:
        device = Device()
        fleet, learner = Fleet(random.Random(0)), Learner(delay_s=0.02)
        fleet.device = learner.device = device
        plain = build(steps=50, staleness=1, fleet=fleet, learner=learner)
        sync = Sync(fleet)
        controller = Controller(
            config=plain.config, parts=replace(plain.parts, turns=device.turns, sync=sync), state=plain.state
        )
        running = asyncio.create_task(controller.run())
        while len(learner.batches) < 2 or device.turns.side != LEARNER:
            await asyncio.sleep(0.001)
        controller.stop()
        assert not await asyncio.wait_for(running, 10)
        return controller, sync

    controller, sync = played(scenario())
    version = controller.state.version
    assert version < 50 and sync.pushed[-1] == version
    assert snapshots_of(controller)[-1][0] == version
