"""In which order actors start, and which deaths a run survives."""

import asyncio
from typing import Any

import pytest

from rl.errors import FleetDead, TransferGroupBroken
from rl.learner.group import LearnerDead
from rl.session import start_actors
from rl.train import what_died


class Starts:
    """Something that takes a moment to start, and notes it."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log

    async def start(self) -> None:
        self.log.append(f"{self.name} begins")
        await asyncio.sleep(0.01)
        self.log.append(f"{self.name} is up")


@pytest.mark.parametrize(("one_gpu", "first"), [(True, "engine is up"), (False, "engine begins")])
def test_on_one_gpu_the_engine_is_up_before_the_learner_begins(one_gpu: bool, first: str) -> None:
    log: list[str] = []
    parts: list[Any] = [Starts(name, log) for name in ("engine", "learner", "verifiers")]
    asyncio.run(start_actors(*parts, one_gpu=one_gpu))
    before = log[: log.index("learner begins")]
    assert first in before and (("engine is up" in before) is one_gpu)
    assert sorted(log)[1::2] == ["engine is up", "learner is up", "verifiers is up"]


def test_a_dead_rank_and_a_broken_transfer_group_are_built_again_and_nothing_else() -> None:
    assert what_died(LearnerDead(1, "training")) is LearnerDead
    assert what_died(TransferGroupBroken("engine 0 was lost")) is TransferGroupBroken
    dragged = BaseExceptionGroup("loops", [TimeoutError("late"), TransferGroupBroken("engine 0 was lost")])
    assert what_died(dragged) is TransferGroupBroken
    assert what_died(FleetDead("engine 0 died 4 times")) is None
    assert what_died(ValueError("ours")) is None
