"""Requests of a load point through an engine, with the time of every token."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np

from planner.cost.simulate import Arrival
from rl.commands.bench.points import LoadPoint
from rollout.engine import InferenceEngine
from rollout.streaming import StreamRequest
from rollout.types import GroupRequest, SamplingConfig


@dataclass(slots=True)
class Timed:
    """One request."""

    asked: Arrival
    sent: float
    """``time.monotonic()``, as all times here."""
    tokens: list[float] = field(default_factory=list)
    """The time of each token."""


@dataclass(slots=True)
class Driver:
    """Sends random tokens, so that no prompt is in the prefix cache, and wants answers of fixed length."""

    engine: InferenceEngine
    vocab_size: int
    rng: np.random.Generator
    sent: int = 0

    async def run(self, point: LoadPoint) -> list[Timed]:
        """Every request of the point, in order."""
        began = time.monotonic()
        places = asyncio.Semaphore(point.concurrency or len(point.arrivals))

        async def one(arrival: Arrival) -> Timed:
            if point.concurrency is None:
                await asyncio.sleep(max(0.0, began + arrival.at - time.monotonic()))
            async with places:
                return await self._request(arrival)

        return list(await asyncio.gather(*(one(arrival) for arrival in point.arrivals)))

    async def _request(self, arrival: Arrival) -> Timed:
        self.sent += 1
        prompt = tuple(int(token) for token in self.rng.integers(0, self.vocab_size, arrival.prompt))
        request = GroupRequest(
            group_id=self.sent,
            prompt_token_ids=prompt,
            seeds=(self.sent,),
            sampling=SamplingConfig(max_tokens=arrival.answer, ignore_eos=True),
        )
        timed = Timed(arrival, time.monotonic())
        async with aclosing(self.engine.stream(StreamRequest(group=request))) as news:
            async for deltas in news:
                for delta in deltas:
                    timed.tokens += [delta.at] * len(delta.tokens.ids)
        return timed
