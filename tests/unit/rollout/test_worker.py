"""A worker that is made before its base is known waits for it, in whatever order its calls begin."""

import asyncio
from typing import Any

import pytest

import rollout.worker
from rollout.engine import EngineConfig
from rollout.worker import RolloutWorker


class Engine:
    """Notes what it was built for, and that it was started."""

    policy_version = 0

    def __init__(self, config: EngineConfig) -> None:
        self.config, self.started = config, False

    def preload(self) -> None:
        pass

    async def start(self) -> None:
        self.started = True


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Engine]:
    engines: list[Engine] = []

    def build(config: EngineConfig) -> Any:
        engines.append(Engine(config))
        return engines[-1]

    monkeypatch.setattr(rollout.worker, "prepare_process", lambda config: None)
    monkeypatch.setattr(rollout.worker, "build_engine", build)
    return engines


def test_a_start_that_comes_before_the_base_waits_for_it(built: list[Engine]) -> None:
    async def run() -> None:
        worker = RolloutWorker(EngineConfig(model=""))
        await worker.warm()
        start = asyncio.create_task(worker.start())
        await asyncio.sleep(0.05)
        assert not any(engine.started for engine in built), "no base yet"
        await worker.take_base("/base")
        await asyncio.wait_for(start, 5)

    asyncio.run(run())
    assert [(engine.config.model, engine.started) for engine in built] == [("", False), ("/base", True)]


def test_a_worker_that_knows_its_base_starts_at_once_and_keeps_it(built: list[Engine]) -> None:
    async def run() -> None:
        worker = RolloutWorker(EngineConfig(model="/base"))
        await asyncio.wait_for(worker.start(), 5)
        with pytest.raises(AssertionError, match="keeps its base"):
            await worker.take_base("/other")

    asyncio.run(run())
    assert built[0].config.model == "/base"
