"""Learner to engines: publish once, push to all, compare, and only then let the version count."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rollout.engine import WeightUpdate

if TYPE_CHECKING:
    from rl.engines.fleet import EngineFleet
    from rl.learner.group import LearnerGroup
    from rl.weights.exchange import WeightExchange


class WeightMismatch(RuntimeError):
    """Engine and learner disagree on fixed tokens right after a push: the weights that serve are not the
    weights that train."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Weights that lie ready to be pushed (nccl, ipc: are on the engines), with what the learner says of the
    probe tokens."""

    update: WeightUpdate
    learner_logprobs: list[list[float]] | None
    """[sequences][T-1] nats, None if this version is not probed."""
    publish_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """The cost of one sync, and how well the weights arrived."""

    version: int
    publish_s: float
    push_s: float
    """0 for nccl and ipc, whose publishing is the push."""
    probe_gap: float | None
    """Mean |engine - learner| log-prob over the probe tokens, worst engine; nats."""


class WeightSync:
    """Publishing needs the learner idle; pushing needs only the engines, so it overlaps with the next step.

    Not so with an ``exchange`` (nccl, ipc): learner and engines work on one transfer together, so it is over
    when ``publish`` returns, and only the probe is left to ``push``.
    """

    def __init__(
        self,
        *,
        learner: "LearnerGroup",
        fleet: "EngineFleet",
        directory: Path,
        probe: list[list[int]],
        probe_every: int,
        tolerance: float,
        exchange: "WeightExchange | None" = None,
    ) -> None:
        self._learner = learner
        self._fleet = fleet
        self._directory = directory
        self._probe = probe
        self._probe_every = probe_every
        self._tolerance = tolerance
        self._exchange = exchange
        self._engines = asyncio.Lock()
        """Held while a version is probed, so that the next one does not overtake it."""

    async def connect(self) -> None:
        """Form the transfer group of learner and engines, once, before anything is published. Nothing to do
        for shared memory."""
        if self._exchange is not None:
            await self._exchange.connect()

    async def publish(self, version: int) -> Published:
        """Write the learner's current weights for ``version`` where engines can read them, or send them
        there.

        Raises:
            FleetDead: an engine failed during a transfer by nccl or ipc.
        """
        started = time.monotonic()
        update = await self._hand_over(version)
        probed = self._probe_every > 0 and version % self._probe_every == 0
        logprobs = await self._learner.score(self._probe) if probed else None
        return Published(update=update, learner_logprobs=logprobs, publish_s=time.monotonic() - started)

    async def _hand_over(self, version: int) -> WeightUpdate:
        if self._exchange is None:
            return await self._learner.publish(version, str(self._directory))
        async with self._engines:
            return await self._exchange.send(version)

    async def push(self, published: Published) -> SyncReport:
        """Push to every live engine and compare on the probe.

        Raises:
            WeightMismatch: the gap exceeds ``rollout.probe_tolerance``.
        """
        async with self._engines:
            return await self._push(published)

    async def _push(self, published: Published) -> SyncReport:
        push_s = 0.0
        if self._exchange is None:
            started = time.monotonic()
            await self._fleet.push(published.update)
            push_s = time.monotonic() - started
        gap = None
        if published.learner_logprobs is not None:
            gap = self._gap(published.learner_logprobs, await self._fleet.score(self._probe))
            if not gap <= self._tolerance:
                raise WeightMismatch(
                    f"version {published.update.version}: engine and learner log-probs differ by {gap:.2e}"
                    f" nats on the probe (rollout.probe_tolerance={self._tolerance:g}); bf16 needs about 0.1"
                )
        return SyncReport(
            version=published.update.version, publish_s=published.publish_s, push_s=push_s, probe_gap=gap
        )

    @staticmethod
    def _gap(learner: list[list[float]], engines: list[list[list[float]]]) -> float:
        """Worst engine's mean absolute difference; 0 engines left is the fleet's business, not a mismatch."""
        gaps = [
            float(
                np.mean(
                    [
                        abs(a - b)
                        for x, y in zip(learner, engine, strict=True)
                        for a, b in zip(x, y, strict=True)
                    ]
                )
            )
            for engine in engines
        ]
        return max(gaps, default=0.0)
