"""The fleet as a policy of many requests at once."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from rl.engines.decode import EnginePolicy
from rl.engines.fleet import EngineFleet
from rl.engines.streaming import stream_of
from rollout.streaming import StreamRequest, TokenDelta
from rollout.types import Completion, GroupRequest, SamplingConfig

Decode = Callable[[Sequence[Sequence[int]]], list[str]]


class SharedFleet:
    """``generate`` for ``EnginePolicy``: a request that is given up also leaves its engine.

    Args:
        fleet: Started; every engine batches all requests that it has.
        timeout_s: For one round of samples.
    """

    def __init__(self, fleet: EngineFleet, *, timeout_s: float) -> None:
        self._fleet, self._timeout_s = fleet, timeout_s
        self._aborting: set[asyncio.Task[None]] = set()

    async def generate(self, request: GroupRequest) -> Sequence[Completion]:
        """[n] completions; EngineLost, FleetDead as ``EngineFleet.generate``."""
        try:
            return await self._fleet.generate(request, timeout_s=self._timeout_s)
        except asyncio.CancelledError:
            self._drop(request.group_id)
            raise

    async def stream(self, request: StreamRequest) -> AsyncGenerator[list[TokenDelta], None]:
        """Tokens as they are sampled; EngineLost, FleetDead as ``generate``. One that is closed early leaves
        its engine."""
        running = len(request.group.seeds)
        try:
            async with aclosing(stream_of(self._fleet, request, timeout_s=self._timeout_s)) as news:
                async for deltas in news:
                    running -= sum(delta.finish_reason is not None for delta in deltas)
                    yield deltas
        finally:
            if running:
                self._drop(request.group.group_id)

    def _drop(self, group_id: int) -> None:
        task = asyncio.create_task(self._fleet.abort(group_id))
        self._aborting.add(task)
        task.add_done_callback(self._aborting.discard)

    def policy(self, decode: Decode) -> EnginePolicy:
        """Every round pays its prompt again: a prefix cache may have lost it, and a hard budget counts what
        can happen."""
        return EnginePolicy(generate=self.generate, decode=decode, sampling=SamplingConfig())

    async def settle(self) -> None:
        """Wait for what is being taken off the engines."""
        await asyncio.gather(*self._aborting, return_exceptions=True)
