"""One engine behind an actor's methods. Plain Python: ``rl`` wraps it as a Ray actor.

Ray admits 1,000 calls of an async actor at once, and a call past that waits, so ``generate`` belongs in one
concurrency group and every other method in another; else a weight update queues behind the groups that wait
for it.
"""

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from rollout.collector import collector_off
from rollout.engine import (
    NO_GROUP,
    EngineConfig,
    EngineDead,
    InferenceEngine,
    WeightUpdate,
    WeightUpdateRefused,
    build_engine,
)
from rollout.packing import CompletionBatch
from rollout.resource_tracker import keep_resource_tracker
from rollout.streaming import StreamRequest, TokenDelta
from rollout.types import Completion, GroupRequest
from rollout.vllm_env import prepare_process
from rollout.weight_directory import run_directory

if TYPE_CHECKING:
    from rollout.weight_node import NodeCopy, PartStore


class RolloutWorker:
    """Owns one engine: starts it in a prepared process, passes calls on, and says what it costs."""

    def __init__(self, config: EngineConfig, name: str = "engine", store: "PartStore | None" = None) -> None:
        """``name``: among the processes of a run. ``store``: where pushes by ``object`` are; None if there
        are none."""
        self._config = config
        self._name = name
        self._store = store
        self._copy: NodeCopy | None = None
        """This node's copy of them, from the first one on."""
        self._engine: InferenceEngine | None = None
        self._importing = threading.Lock()
        self._based = threading.Event()
        """Its base is known."""
        if config.model:
            self._based.set()

    def __repr__(self) -> str:
        """The name; Ray writes it at the head of the actor's log files."""
        return self._name

    async def warm(self) -> None:
        """Set the process up and import the engine's modules, ahead of ``start``. No base is needed yet."""
        self._prepared()

    async def take_base(self, model: str) -> None:
        """Serve this base, which was not known when the actor was made (its config names none); ``start``
        waits for it."""
        assert not self._based.is_set(), "an engine keeps its base"
        self._config = replace(self._config, model=model)
        self._based.set()

    def _prepared(self) -> InferenceEngine:
        """Return the engine, not started, with its modules imported. Two threads that import the same modules
        at once can each meet them half made."""
        with self._importing, collector_off():
            keep_resource_tracker()
            prepare_process(self._config)
            engine = build_engine(self._config)
            engine.preload()
        return engine

    async def start(self) -> dict[str, float | str]:
        """Set the process up and load the model. Returns ``pid``, ``host``, ``seconds`` and
        ``policy_version``. EngineDead if it cannot."""
        assert self._engine is None, "a worker starts once"
        began = time.perf_counter()
        # Ray does not promise to begin an async actor's calls in the order in which they were made.
        await asyncio.to_thread(self._based.wait)
        engine = self._prepared()
        with collector_off():
            await engine.start()
        self._engine = engine
        return {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "seconds": time.perf_counter() - began,
            "policy_version": engine.policy_version,
        }

    async def generate(self, request: GroupRequest) -> list[Completion]:
        """[G] completions in seed order. ValueError on a request it cannot serve, EngineDead, or
        CancelledError after ``abort``."""
        return CompletionBatch(await self._live.generate(request))

    async def stream(self, request: StreamRequest) -> AsyncGenerator[list[TokenDelta], None]:
        """Tokens as they are sampled; raises as ``generate``."""
        async with aclosing(self._live.stream(request)) as news:
            async for deltas in news:
                yield deltas

    async def update_weights(self, update: WeightUpdate) -> int:
        """Load a published set of weights; returns the version served now. WeightUpdateRefused leaves
        everything as it was."""
        if not update.parts:
            await self._live.update_weights(update)
            return update.version
        local = await self.fetch_weights(update)
        try:
            await self._live.update_weights(local)
        except WeightUpdateRefused:
            self._node_copy(update).forget(update)
            raise
        return update.version

    async def fetch_weights(self, update: WeightUpdate) -> WeightUpdate:
        """Bring a push by ``object`` to this node, unless another engine has; the engine samples on. Returns
        it as a push by ``shm``."""
        assert self._store is not None, "made without a store"
        # Nothing is fetched before it is asked for.
        parts, changes = self._store.arriving(update.parts), self._store.arriving(update.changes)
        return await asyncio.to_thread(self._node_copy(update).take, update, parts, changes)

    def _node_copy(self, update: WeightUpdate) -> "NodeCopy":
        if self._copy is None:
            # It imports torch, which reads the environment that prepare_process sets.
            from rollout.weight_node import NodeCopy

            assert self._store is not None, "made without a store"
            self._copy = NodeCopy(run_directory(Path(update.path)), self._store.node())
        return self._copy

    async def sleep(self, level: int) -> int:
        """Leave the device (``InferenceEngine.sleep``); returns the tokens sampled since the start."""
        await self._live.sleep(level)
        return (await self._live.progress(NO_GROUP))[1]

    async def wake(self, update: WeightUpdate | None) -> tuple[int, int]:
        """Be on the device again (``InferenceEngine.wake``). Returns the version served now, and the tokens
        sampled since the start: as many as when it went to sleep."""
        sampled = (await self._live.progress(NO_GROUP))[1]
        if update is not None and update.parts:
            update = await self.fetch_weights(update)
        await self._live.wake(update)
        return self._live.policy_version, sampled

    async def init_weight_transfer(self, init_info: Mapping[str, object]) -> None:
        """Rendezvous with the trainer, for transports other than shm."""
        await self._live.init_weight_transfer(init_info)

    async def leave_weight_transfer(self) -> None:
        """Leave the trainer's group; another ``init_weight_transfer`` may follow."""
        await self._live.leave_weight_transfer()

    async def score(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probs of tokens 1..T-1 of each sequence at temperature 1, under the version served now."""
        return await self._live.score(sequences)

    async def abort(self, group_ids: Sequence[int]) -> int:
        """Drop these groups; their ``generate`` calls raise asyncio.CancelledError. Returns the tokens that
        were sampled of them."""
        sampled = [(await self._live.progress(group_id))[0] for group_id in group_ids]
        await self._live.abort(group_ids)
        return sum(sampled)

    async def progress(self, group_id: int) -> tuple[int, int]:
        """Tokens sampled so far: (of this group, of everything since the start)."""
        return await self._live.progress(group_id)

    async def check_health(self) -> int:
        """The version served now; EngineDead if the engine cannot serve."""
        await self._live.check_health()
        return self._live.policy_version

    async def stats(self) -> dict[str, float]:
        """The engine's counters (``InferenceEngine.stats``), plus ``cpu_s`` of this process and its
        children."""
        return await self._live.stats() | {"cpu_s": _cpu_seconds()}

    async def stop(self) -> None:
        """Stop the engine; idempotent."""
        if self._engine is not None:
            await self._engine.stop()
        if self._copy is not None:
            self._copy.close()
            self._copy = None

    @property
    def _live(self) -> InferenceEngine:
        if self._engine is None:
            raise EngineDead("the engine was not started")
        return self._engine


def _cpu_seconds() -> float:
    """User and system CPU seconds of this process and its living descendants."""
    total = 0.0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:  # it ended since we listed it
            continue
        total += times.user + times.system
    return total
