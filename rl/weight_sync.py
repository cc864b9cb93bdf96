"""Learner to engines: publish once, push to all, compare, and only then let the version count."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rollout.engine import WeightUpdate

if TYPE_CHECKING:
    from rl.fleet import EngineFleet
    from rl.learner.group import LearnerGroup


class WeightMismatch(RuntimeError):
    """Engine and learner disagree on fixed tokens right after a push: the weights that serve are not the weights that train."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Weights that lie ready to be pushed, with what the learner itself says of the probe tokens."""

    update: WeightUpdate
    learner_logprobs: list[list[float]] | None
    """[sequences][T-1] nats, None if this version is not probed."""
    publish_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What one sync cost and how well it arrived."""

    version: int
    publish_s: float
    push_s: float
    probe_gap: float | None
    """Mean |engine - learner| log-prob over the probe tokens, worst engine; nats."""


class WeightSync:
    """Publishing needs the learner idle; pushing needs only the engines, so it overlaps with the next step."""

    def __init__(
        self,
        *,
        learner: "LearnerGroup",
        fleet: "EngineFleet",
        directory: Path,
        probe: list[list[int]],
        probe_every: int,
        tolerance: float,
    ) -> None:
        self._learner = learner
        self._fleet = fleet
        self._directory = directory
        self._probe = probe
        self._probe_every = probe_every
        self._tolerance = tolerance

    async def publish(self, version: int) -> Published:
        """Write the learner's current weights for ``version`` where engines can read them."""
        started = time.monotonic()
        update = await self._learner.publish(version, str(self._directory))
        probed = self._probe_every > 0 and version % self._probe_every == 0
        logprobs = await self._learner.score(self._probe) if probed else None
        return Published(update=update, learner_logprobs=logprobs, publish_s=time.monotonic() - started)

    async def push(self, published: Published) -> SyncReport:
        """Push to every live engine and compare on the probe.

        Raises:
            WeightMismatch: the gap exceeds ``rollout.probe_tolerance``.
        """
        started = time.monotonic()
        await self._fleet.push(published.update)
        push_s = time.monotonic() - started
        gap = None
        if published.learner_logprobs is not None:
            gap = self._gap(published.learner_logprobs, await self._fleet.score(self._probe))
            if not gap <= self._tolerance:
                raise WeightMismatch(
                    f"version {published.update.version}: engine and learner log-probs differ by {gap:.2e} nats on the probe "
                    f"(rollout.probe_tolerance={self._tolerance:g}); bf16 needs about 0.1"
                )
        return SyncReport(version=published.update.version, publish_s=published.publish_s, push_s=push_s, probe_gap=gap)

    @staticmethod
    def _gap(learner: list[list[float]], engines: list[list[list[float]]]) -> float:
        """Worst engine's mean absolute difference; 0 engines left is the fleet's business, not a mismatch."""
        gaps = [
            float(np.mean([abs(a - b) for x, y in zip(learner, engine, strict=True) for a, b in zip(x, y, strict=True)]))
            for engine in engines
        ]
        return max(gaps, default=0.0)
