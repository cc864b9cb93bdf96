"""Weights by Ray's object store between two real nodes: the learner on one, two engines on the other.

Both raylets run on this machine; each has an object store of its own.
"""

import asyncio
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import ray
from ray._private.internal_api import memory_summary
from ray.cluster_utils import Cluster

from rl.cluster.ray_runtime import RAY_ENV
from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig
from rl.engines.actors import create_engine_actor
from rl.engines.fleet import EngineFleet
from rl.engines.parts import RayParts
from rl.engines.slot import FleetTimeouts
from rl.learner.group import LearnerGroup
from rl.weights.probe import GapJudge
from rl.weights.sync import WeightSync
from rollout.engine import EngineConfig, WeightUpdate
from rollout.weight_directory import WeightDirectory
from tests.integration.rollout.helpers import MAX_MODEL_LEN, group, prompt_of

SEQUENCES = [list(prompt_of(i)) for i in range(3)]
PUSHES = 5
FREED_EVERY_S = 3.0
"""Ray frees what nobody holds once a second, on each node."""


class World:
    """Learner, engines and the way between them, on a loop that lasts as long as the module."""

    def __init__(self, models: dict[str, Path], runner: asyncio.Runner) -> None:
        self.run = runner.run
        self.directory = WeightDirectory.fresh()
        config = EngineConfig(model=str(models["tied-old"]), max_model_len=MAX_MODEL_LEN, kv_cache_mib=32)
        self.fleet = EngineFleet(
            make_actor=lambda index: create_engine_actor(config, {"num_cpus": 1, "resources": {"engine": 1}}),
            num_engines=2,
            max_restarts=2,
            timeouts=FleetTimeouts(start=180, sync=60, health=10),
        )
        self.learner = LearnerGroup(
            config=LearnerConfig(),
            algorithm=AlgorithmConfig(),
            model_path=str(models["tied-new"]),
            seed=0,
            total_steps=10,
            max_tokens=32,
            actor_options={"num_cpus": 1, "resources": {"learner": 1}},
        )
        self.sync = WeightSync(
            learner=self.learner,
            fleet=self.fleet,
            directory=self.directory.path,
            judge=GapJudge(floor=1e-3, factor=4.0, exact=True),
            probe_every=0,
            by_object=True,
            changes=True,
        )
        self.version = 0

    async def start(self) -> None:
        await self.fleet.start()
        (facts,) = await self.learner.start()
        self.rank_pid: int = facts["pid"]

    async def push(self) -> WeightUpdate:
        """The learner's weights as the next version."""
        self.version += 1
        published = await self.sync.publish(self.version)
        await self.sync.push(published)
        return await published.ready()

    async def differences(self) -> list[float]:
        """Largest difference of a log-prob to the learner's, by engine."""
        right = await self.learner.score(SEQUENCES)
        return [
            max(float(np.abs(np.subtract(a, b)).max()) for a, b in zip(right, engine, strict=True))
            for engine in await self.fleet.score(SEQUENCES)
        ]

    async def all_live(self, limit_s: float) -> None:
        async with asyncio.timeout(limit_s):
            while not all(slot.live for slot in self.fleet.slots):
                await asyncio.sleep(0.1)

    def node_files(self) -> list[Path]:
        """Of the engines' node."""
        return sorted(self.directory.path.glob("node-*/weights-[01]"))


@pytest.fixture(scope="module")
def world(models: dict[str, Path]) -> Iterator[World]:
    for name, value in RAY_ENV.items():
        os.environ.setdefault(name, value)
    store = {"object_store_memory": 100 << 20}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 2, "resources": {"learner": 1}, "include_dashboard": False, **store},
    )
    cluster.add_node(num_cpus=2, resources={"engine": 2, "late": 1}, **store)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    with asyncio.Runner() as runner:
        world = World(models, runner)
        world.run(world.start())
        yield world
        world.run(world.fleet.stop())
        world.run(world.learner.close())
    ray.shutdown()
    cluster.shutdown()
    world.directory.remove()


def objects_in_stores() -> int:
    """Over both nodes, copies counted."""
    found = re.search(r"(\d+) objects", memory_summary(stats_only=True))
    assert found
    return int(found.group(1))


def test_a_push_brings_both_engines_the_learners_bytes_over_one_copy(world: World) -> None:
    nodes = {node["NodeID"]: node["Resources"] for node in ray.nodes()}
    (engines,) = (node for node, resources in nodes.items() if "engine" in resources)
    assert min(world.run(world.differences())) > 0.01
    update = world.run(world.push())
    assert update.transport == "object" and world.fleet.confirmed_version == 1
    (file,) = world.node_files()
    assert file.parent.name == f"node-{engines[:12]}"
    assert file.read_bytes() == Path(update.path).read_bytes()
    assert max(world.run(world.differences())) < 1e-4


def test_a_push_of_what_changed_makes_the_same_file(world: World) -> None:
    update = world.run(world.push())  # the learner has not trained: nothing did
    assert update.changes and update.changed_bytes <= Path(update.path).stat().st_size / 15
    newest = max(world.node_files(), key=lambda file: file.stat().st_mtime_ns)
    assert len(world.node_files()) == 2 and newest.read_bytes() == Path(update.path).read_bytes()
    assert max(world.run(world.differences())) < 1e-4


def test_the_stores_hold_two_versions_at_most(world: World) -> None:
    found = []
    for _ in range(PUSHES):
        world.run(world.push())
        time.sleep(FREED_EVERY_S)
        found.append(objects_in_stores())
    assert len(world.node_files()) == 2
    # The tiny model is one part, which stays on the learner's node; what changed since is on both.
    assert max(found) <= 6, found


def test_an_engine_that_is_slowed_gets_fewer_groups(world: World) -> None:
    fleet, over = world.fleet, threading.Event()
    pid = fleet.slots[1].info["pid"]

    def slow_down() -> None:
        while not over.wait(0.02):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.06)
            os.kill(pid, signal.SIGCONT)

    async def sample(rounds: int) -> None:
        for turn in range(rounds):
            requests = [group(1000 * turn + i, max_tokens=48, ignore_eos=True) for i in range(24)]
            await asyncio.gather(*(fleet.generate(request, timeout_s=60) for request in requests))

    world.run(sample(1))
    assert fleet.shares.slowest > 0.5
    thread = threading.Thread(target=slow_down)
    thread.start()
    try:
        world.run(sample(8))
    finally:
        over.set()
        thread.join()
    assert fleet.shares.of(1) < 0.85 * fleet.shares.of(0)


def test_an_engine_that_was_killed_comes_back_with_the_current_version(world: World) -> None:
    lost = world.fleet.slots[1]
    os.kill(lost.info["pid"], signal.SIGKILL)

    async def notice_and_return() -> list[float]:
        assert len(await world.fleet.score(SEQUENCES)) == 1
        await world.push()  # while it is gone
        await world.all_live(180)
        return await world.differences()

    assert max(world.run(notice_and_return())) < 1e-4
    assert lost.version == world.version == world.fleet.confirmed_version and lost.restarts == 1


class Late:
    """A process on the engines' node that fetches."""

    def fetch(self, held: list[WeightUpdate]) -> int:
        return sum(len(part) for _, part in RayParts().arriving(held[0].parts))


def test_the_death_of_their_owner_is_an_error_where_the_bytes_are_not_and_no_hang(world: World) -> None:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    late = ray.remote(num_cpus=0, resources={"late": 1})(Late).remote()

    async def put_alone() -> WeightUpdate:
        published = await world.learner.publish(world.version + 1, str(world.directory.path))
        return await world.learner.put(published)

    served, fresh = world.run(world.push()), world.run(put_alone())
    assert ray.get(late.fetch.remote([served]), timeout=60) > 100_000
    os.kill(world.rank_pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"part 0 of a push is gone"):
        ray.get(late.fetch.remote([fresh]), timeout=60)

    slot = world.fleet.slots[0]
    os.kill(slot.info["pid"], signal.SIGKILL)

    async def comes_back_by_the_nodes_file() -> None:
        assert len(await world.fleet.score(SEQUENCES)) == 1, "the other one serves on"
        await world.all_live(240)
        first, second = await world.fleet.score(SEQUENCES)
        assert first == second

    world.run(comes_back_by_the_nodes_file())
    assert slot.version == world.version and slot.restarts == 1
