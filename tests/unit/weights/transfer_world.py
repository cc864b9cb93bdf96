"""A learner and engines that share a transfer, for tests of it.

The fleet, the exchange and the sender are the real ones; actors, vLLM and the GPU are scripted. A
``threading.Barrier`` stands for NCCL: nobody passes until all are there.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rl.engines.fleet import EngineFleet
from rl.engines.slot import FleetTimeouts
from rl.weights.exchange import WeightExchange
from rollout.engine import EngineDead
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
    """All that scripted learner and engines share: the collective, and who did what when."""

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
