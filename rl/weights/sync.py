"""Learner to engines: publish once, push to all, compare, and only then let the version count."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rl.batch.types import TrainingBatch
from rl.engines.errors import EngineLost
from rl.stream.background import in_background
from rl.weights.probe import GapJudge, ProbeSequence, gap, newest_sequences, probe_sequence
from rollout.engine import WeightUpdate
from rollout.types import GroupRequest

if TYPE_CHECKING:
    from rl.engines.fleet import EngineFleet
    from rl.learner.group import LearnerGroup
    from rl.weights.exchange import WeightExchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Weights that lie ready to be pushed (nccl, ipc: are on the engines), with what the learner says of the
    probe tokens."""

    update: WeightUpdate
    carried: asyncio.Task[WeightUpdate] | None
    """The same once it is on the engines' nodes, by ``object``; None for the other ways."""
    probe: list[ProbeSequence]
    """The tokens that this version is probed on; empty if it is not."""
    learner_logprobs: asyncio.Task[list[list[float]]] | None
    """[sequences][T-1] nats of those, once the learner has found them; None if it was not asked."""
    publish_s: float

    async def ready(self) -> WeightUpdate:
        """Return what engines are to be given, once they can be."""
        return self.update if self.carried is None else await asyncio.shield(self.carried)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """The cost of one sync, and how well the weights arrived."""

    version: int
    publish_s: float
    push_s: float
    """0 for nccl and ipc, whose publishing is the push."""
    probe_gap: float | None
    """Mean |engine - learner| log-prob over the probe's sampled tokens, worst engine; nats."""
    carried_bytes: int | None = None
    """By object: what a node fetched that held the push before; None for the other ways."""


class WeightSync:
    """Publishing needs the learner idle; pushing needs only the engines, so it overlaps with the next step.

    The learner is asked for its side of the probe before it trains on; the push awaits the answer.

    With ``by_object`` the weights go from the learner's file through Ray's object store to the engines' nodes
    meanwhile, so that a push finds them there.

    Not so with an ``exchange`` (nccl, ipc): learner and engines work on one transfer together, so it is over
    when ``publish`` returns, and only the probe is left to ``push``.
    """

    def __init__(
        self,
        *,
        learner: "LearnerGroup",
        fleet: "EngineFleet",
        directory: Path,
        judge: GapJudge,
        probe_every: int,
        calibration: Sequence[GroupRequest] = (),
        exchange: "WeightExchange | None" = None,
        by_object: bool = False,
        changes: bool = False,
    ) -> None:
        """``calibration``: what the engines are to sample for the first comparison. ``changes``: by object,
        send nodes what is new since the push before, where they hold that one."""
        self._learner = learner
        self._fleet = fleet
        self._directory = directory
        self._judge = judge
        self._probe_every = probe_every
        self._calibration = calibration
        self._probe: list[ProbeSequence] = []
        """The newest completions that are known here."""
        self._exchange = exchange
        self._by_object = by_object
        self._changes = changes
        self._newest: Published | None = None
        self._engines = asyncio.Lock()
        """Held while a version is probed, so that the next one does not overtake it."""

    async def newest(self) -> WeightUpdate | None:
        """Return the newest publication; it lies there until the publication after the next, by ``object`` as
        long as somebody holds it."""
        return None if self._newest is None else await self._newest.ready()

    async def connect(self) -> None:
        """Form the transfer group of learner and engines, once, before anything is published. Nothing to do
        for shm and object."""
        if self._exchange is not None:
            await self._exchange.connect()

    async def calibrate(self, *, timeout_s: float) -> None:
        """Compare the untouched base in engines and learner, on completions sampled now. Before anything is
        loaded or published; nothing to do where nothing is probed.

        Raises:
            WeightMismatch: the two do not compute the same model.
            FleetDead: no engine is left.
        """
        if self._probe_every == 0:
            return
        self._probe = [await self._sampled(request, timeout_s) for request in self._calibration]
        if not self._probe:
            return
        learner = await self._learner.score([s.token_ids for s in self._probe])
        found = gap(self._probe, learner, await self._fleet.score([s.token_ids for s in self._probe]))
        if found is not None:
            self._judge.calibrate(found)

    async def _sampled(self, request: GroupRequest, timeout_s: float) -> ProbeSequence:
        while True:
            try:
                completions = await self._fleet.generate(request, timeout_s=timeout_s)
            except EngineLost:
                continue  # another engine, or the same one again; FleetDead ends it
            return probe_sequence(request.prompt_token_ids, completions[0].token_ids.tolist())

    async def publish(self, version: int, batch: TrainingBatch | None = None) -> Published:
        """Write the learner's current weights for ``version`` where engines can read them, or send them
        there.

        Args:
            version: of the weights.
            batch: the newest completions, for the probe; None keeps those that it had.

        Raises:
            FleetDead: an engine failed during a transfer by nccl or ipc.
        """
        started = time.monotonic()
        update = await self._hand_over(version)
        carried = None
        if self._by_object:
            carried = in_background("carry", self._carry(update), what=f"carrying version {version} to nodes")
        if batch is not None:
            self._probe = newest_sequences(batch) or self._probe
        probed = self._probe_every > 0 and version % self._probe_every == 0
        probe = list(self._probe) if probed else []
        logprobs = None
        if probe:
            score = self._learner.score([s.token_ids for s in probe])
            logprobs = in_background("probe", score, what="the learner's side of the probe")
            await asyncio.sleep(0)  # so that the learner is asked before it trains on
        self._newest = Published(
            update=update,
            carried=carried,
            probe=probe,
            learner_logprobs=logprobs,
            publish_s=time.monotonic() - started,
        )
        return self._newest

    async def _carry(self, update: WeightUpdate) -> WeightUpdate:
        """To the engines' nodes, while learner and engines are at work."""
        put = await self._learner.put(update, changes=self._changes)
        await self._fleet.fetch(put)
        return put

    async def _hand_over(self, version: int) -> WeightUpdate:
        if self._exchange is None:
            return await self._learner.publish(version, str(self._directory))
        async with self._engines:
            return await self._exchange.send(version)

    async def push(self, published: Published) -> SyncReport:
        """Push to every live engine and compare on the probe.

        Raises:
            WeightMismatch: the gap is too large (``rl.weights.probe.GapJudge``).
        """
        async with self._engines:
            return await self._push(published)

    async def _push(self, published: Published) -> SyncReport:
        push_s, carried = 0.0, None
        if self._exchange is None:
            started = time.monotonic()
            update = await published.ready()
            await self._fleet.push(update)
            push_s = time.monotonic() - started
            if self._by_object:
                carried = update.changed_bytes or sum(tensor.num_bytes for tensor in update.tensors)
        found = None
        if published.learner_logprobs is not None:
            engines = await self._fleet.score([s.token_ids for s in published.probe])
            found = gap(published.probe, await published.learner_logprobs, engines)
        if found is not None:
            self._judge.judge(published.update.version, found)
        return SyncReport(
            version=published.update.version,
            publish_s=published.publish_s,
            push_s=push_s,
            probe_gap=found,
            carried_bytes=carried,
        )
