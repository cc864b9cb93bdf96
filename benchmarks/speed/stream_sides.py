"""The two sides of ``benchmarks/speed/stream.py``, each in a process and a Ray of its own: our stream, and
TransferQueue.

Both move the same samples from producers to one consumer: L int32 token ids, L float32 log-probs, L mask
bytes, in groups of ``GROUP``, to batches of ``BATCH`` samples that the consumer reads through once.
TransferQueue gets what favours it: samples of one length, a whole group a put, producers that nobody asks
group by group.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import ray

from rl.batch.assemble import joined
from rl.batch.types import TrainingBatch
from rl.stream.buffer import StreamBuffer
from rl.stream.plans import GroupStatus, new_groups
from rl.stream.waiting import Signal
from rollout.types import (
    Completion,
    FinishReason,
    GroupRequest,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    SamplingConfig,
    VersionSpan,
)

GROUP, BATCH = 8, 64
IN_FLIGHT = 4
"""Groups that one producer has under way."""
BYTES_A_TOKEN = 8
"""Of ids and log-probs; the mask's byte comes on top on both sides."""
POLL_S = 0.002
"""Between two questions of TransferQueue's consumer whether a batch is there."""
SINGLE = 20
"""Samples whose way is timed one after the other."""
PROMPT = Prompt(id="p", text="p", token_ids=(1,), answer="a")
SAMPLING = SamplingConfig()
FIELDS = ["token_ids", "behavior_logprobs", "loss_mask"]

Measured = dict[str, Any]


async def measure(side: str, way: "Ours | Queue", payload: int, producers: int) -> Measured:
    """Samples and megabytes a second, CPU seconds a sample and the latency of one sample, of ``payload``
    bytes each."""
    samples = int(np.clip((96 << 20) // payload, 2 * BATCH, 512))
    way.length, way.producers = payload // BYTES_A_TOKEN, producers
    elapsed, cpu, waits = await _timed(way, samples)
    return {
        "side": side,
        "bytes": payload,
        "producers": producers,
        "samples_per_s": samples / elapsed,
        "mb_per_s": samples * payload / elapsed / 1e6,
        "cpu_s_per_sample": cpu / samples,
        "latency_p50_s": waits[len(waits) // 2],
        "latency_p99_s": waits[-1],
    }


async def _timed(way: "Ours | Queue", samples: int) -> tuple[float, float, list[float]]:
    """Seconds and CPU seconds of all samples, and the seconds of single ones, ascending."""
    await way.move(BATCH)  # warm
    before, started = _cpu_s(), time.perf_counter()
    await way.move(samples)
    elapsed, cpu = time.perf_counter() - started, _cpu_s() - before
    return elapsed, cpu, sorted([await way.single() for _ in range(SINGLE)])


def _cpu_s() -> float:
    """CPU seconds of this process and all below it, Ray's own among them."""
    total = 0.0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue  # it ended while we looked
        total += times.user + times.system
    return total


def arrays(length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One sample's columns."""
    return (
        np.arange(length, dtype=np.int32),
        np.full(length, -1.5, dtype=np.float32),
        np.ones(length, dtype=bool),
    )


# -- ours ----------------------------------------------------------------------------------------------------


class Engine:
    """As much of an engine actor as its answers."""

    async def generate(self, request: GroupRequest, length: int) -> tuple[list[Completion], float]:
        """The group, and when it was there."""
        found = []
        for _ in request.seeds:
            ids, logprobs, mask = arrays(length)
            spans = (VersionSpan(0, length, 0),)
            found.append(
                Completion(
                    token_ids=ids,
                    behavior_logprobs=logprobs,
                    loss_mask=mask,
                    spans=spans,
                    finish_reason=FinishReason.STOP,
                )
            )
        return found, time.time()


class Learner:
    """As much of a learner rank as reading the batch."""

    def train(self, batch: TrainingBatch) -> float:
        """When it was read."""
        _read(batch.token_ids, batch.behavior_logprobs, batch.loss_mask)
        return time.time()


def _read(*columns: np.ndarray) -> None:
    for column in columns:
        column.sum()


class Ours:
    """Ray calls to engines, the stream buffer, the training batch, the object store: as in a run, without
    rewards and records."""

    def __init__(self, most: int) -> None:
        from rl.learner.group import put_batch  # imports torch, which engines do not need here

        self._put = put_batch
        self.length, self.producers = 1, most
        self._engines = [ray.remote(num_cpus=0)(Engine).remote() for _ in range(most)]
        self._learner = ray.remote(num_cpus=0)(Learner).remote()
        self._buffer = StreamBuffer(max_staleness=1000)
        self._signal = Signal()
        self._produced = 0.0

    async def start(self) -> None:
        """Wait for the actors."""
        await asyncio.gather(*(actor.__ray_ready__.remote() for actor in (*self._engines, self._learner)))

    async def move(self, samples: int) -> None:
        """All samples to the learner."""
        steps = []
        for _ in range(samples // BATCH):
            assert self._buffer.can_open(confirmed_version=0)
            step = self._buffer.open().step
            self._buffer.add(step, self._plan(step, BATCH // GROUP, GROUP))
            steps.append(step)
        workers = [
            asyncio.create_task(self._fill(engine))
            for engine in self._engines[: self.producers]
            for _ in range(IN_FLIGHT)
        ]
        for step in steps:
            await self._closable(step)
            await self._train(step)
        for worker in workers:
            worker.cancel()

    def _plan(self, step: int, groups: int, rollouts: int) -> Any:
        return new_groups(
            plan_step=step,
            refill_round=0,
            prompts=[PROMPT] * groups,
            num_rollouts=[rollouts] * groups,
            max_tokens=[64] * groups,
            sampling=SAMPLING,
            run_seed=0,
        )

    async def _fill(self, engine: Any) -> None:
        while True:
            state = await self._buffer.next_waiting()
            completions, self._produced = await engine.generate.remote(state.request, self.length)
            result = RewardResult(value=1.0, correct=True)
            state.group = RolloutGroup(
                group_id=state.request.group_id,
                plan_step=state.plan_step,
                prompt=PROMPT,
                sampling=SAMPLING,
                rollouts=tuple(Rollout(completion=c, text="", result=result) for c in completions),
            )
            state.status = GroupStatus.FINISHED
            self._buffer.finish(state, kept=True, reason="", indices=None)
            self._signal.notify()

    async def _closable(self, step: int) -> None:
        await self._signal.until(
            lambda: self._buffer.closable(step), timeout_s=60.0, what=f"the groups of batch {step}"
        )

    async def _train(self, step: int) -> float:
        groups = [state.group for state in self._buffer.plans[step].kept() if state.group is not None]
        batch = await joined(step, groups, progress=0.0)
        taken: float = await self._learner.train.remote(await self._put(batch))
        self._buffer.discard(step)
        return taken

    async def single(self) -> float:
        """Seconds from the moment that one sample exists until it was read."""
        step = self._buffer.open().step
        self._buffer.add(step, self._plan(step, 1, 1))
        worker = asyncio.create_task(self._fill(self._engines[0]))
        await self._closable(step)
        taken = await self._train(step)
        worker.cancel()
        return taken - self._produced


# -- TransferQueue -------------------------------------------------------------------------------------------


class Producer:
    """Puts groups into a partition."""

    def __init__(self) -> None:
        import transfer_queue

        transfer_queue.init()
        self._client = transfer_queue.get_client()

    async def produce(self, partition: str, groups: int, size: int, length: int) -> float:
        """When the first put began."""
        import torch
        from tensordict import TensorDict

        started, limit = time.time(), asyncio.Semaphore(IN_FLIGHT)

        async def put() -> None:
            async with limit:
                samples = [arrays(length) for _ in range(size)]
                columns = [torch.from_numpy(np.stack(column)) for column in zip(*samples, strict=True)]
                data = TensorDict(dict(zip(FIELDS, columns, strict=True)), batch_size=size)
                await self._client.async_put(data, partition_id=partition)

        await asyncio.gather(*(put() for _ in range(groups)))
        return started


class Consumer:
    """Takes batches out of a partition."""

    def __init__(self) -> None:
        import transfer_queue

        transfer_queue.init()
        self._client = transfer_queue.get_client()

    async def consume(self, partition: str, samples: int, batch: int) -> float:
        """When the last batch was read."""
        for _ in range(samples // batch):
            meta = await self._meta(partition, batch)
            data = await self._client.async_get_data(meta)
            assert len(data) == batch
            # It gives jagged tensors, whose values lie one after the other.
            _read(*((c.values() if c.is_nested else c).numpy() for c in (data[name] for name in FIELDS)))
        read = time.time()
        await self._client.async_clear_partition(partition)
        return read

    async def _meta(self, partition: str, batch: int) -> Any:
        while True:
            meta = await self._client.async_get_meta(
                data_fields=FIELDS, batch_size=batch, partition_id=partition, task_name="train"
            )
            if meta.size:
                return meta
            await asyncio.sleep(POLL_S)


class Queue:
    """Its controller, two storage units (its default), and clients in the producers and the consumer."""

    def __init__(self, most: int) -> None:
        import transfer_queue
        from omegaconf import OmegaConf

        self.length, self.producers = 1, most
        # Without polling a request that finds too few samples sleeps for 5 s in the thread that serves all.
        transfer_queue.init(OmegaConf.create({"controller": {"polling_mode": True}}))
        self._producers = [ray.remote(num_cpus=0)(Producer).remote() for _ in range(most)]
        self._consumer = ray.remote(num_cpus=0)(Consumer).remote()
        self._partitions = 0

    async def start(self) -> None:
        """Wait for the actors."""
        await asyncio.gather(*(actor.__ray_ready__.remote() for actor in (*self._producers, self._consumer)))

    async def move(self, samples: int) -> None:
        """All samples to the consumer."""
        partition, groups = self._next(), samples // GROUP
        shares = [len(range(i, groups, self.producers)) for i in range(self.producers)]
        puts = [
            actor.produce.remote(partition, share, GROUP, self.length)
            for actor, share in zip(self._producers, shares, strict=False)
        ]
        await self._consumer.consume.remote(partition, samples, BATCH)
        await asyncio.gather(*puts)

    async def single(self) -> float:
        """Seconds from the put of one sample until it was read, the consumer waiting for it."""
        partition = self._next()
        taken = self._consumer.consume.remote(partition, 1, 1)
        started: float = await self._producers[0].produce.remote(partition, 1, 1, self.length)
        read: float = await taken
        return read - started

    def _next(self) -> str:
        self._partitions += 1
        return f"step-{self._partitions}"


def run_side(
    side: str,
    cells: list[tuple[int, int]],
    note: Callable[[Measured], None],
    *,
    path: str | None,
    repeats: int,
) -> None:
    """Measure every (bytes, producers) of one side ``repeats`` times; ``path``: where TransferQueue lies."""
    if path is not None:
        sys.path.insert(0, path)
    environment = {} if path is None else {"env_vars": {"PYTHONPATH": path, "TQ_LOGGING_LEVEL": "ERROR"}}
    ray.init(
        address="local",
        include_dashboard=False,
        num_cpus=8,
        object_store_memory=1 << 30,
        log_to_driver=False,
        runtime_env=environment,
    )
    most = max(producers for _, producers in cells)
    way = Ours(most) if side == "ours" else Queue(most)

    async def everything() -> None:
        await way.start()
        for payload, producers in cells * repeats:
            note(await measure(side, way, payload, producers))

    asyncio.run(everything())
