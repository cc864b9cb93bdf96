"""The engines of a run: routing, weight pushes, deaths and restarts.

An engine is in one of three states. *live*: it gets groups and confirms pushes. *lost*: it died, hung or
refused a push; it gets nothing. *returning*: a new actor is loading; it gets the current weights and version
before it serves.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import ray

from rl.engines.errors import EngineLost, FleetDead, TransferGroupBroken
from rl.engines.load import EngineLoad
from rl.engines.progress import completions_of
from rl.engines.slot import LOST, EngineSlot, FleetTimeouts, brief, cause
from rl.records.status import ActorState
from rl.stream.background import in_background
from rl.stream.tickets import EngineVersions
from rl.stream.waiting import Signal, StreamTimeout, wait_for
from rollout.engine import EngineFailed, WeightUpdate
from rollout.types import Completion, GroupRequest

logger = logging.getLogger(__name__)


class EngineFleet:
    """Every engine of a run behind one object."""

    def __init__(
        self,
        *,
        make_actor: Callable[[int], Any],
        num_engines: int,
        max_restarts: int,
        timeouts: FleetTimeouts,
        rejoin: bool = True,
        capacity: int = 512,
        first_index: int = 0,
    ) -> None:
        """``rejoin=False``: weights travel in a group that is formed once (nccl, ipc), so a lost engine ends
        this fleet. ``capacity``: sequences that one engine samples at once. ``first_index``: of its engines,
        where another fleet has the numbers before."""
        self._make_actor = make_actor
        self._max_restarts = max_restarts
        self._timeouts = timeouts
        self._rejoin = rejoin
        indices = range(first_index, first_index + num_engines)
        self._slots = [EngineSlot(index=i) for i in indices]
        self.load = EngineLoad(num_engines=indices.stop, capacity=capacity)
        self._push_lock = asyncio.Lock()
        self._update: WeightUpdate | None = None
        self._target_version = 0
        self._versions = EngineVersions()
        self._returning: set[asyncio.Task[None]] = set()
        self._fatal: FleetDead | None = None
        self.tokens_lost = 0
        """Tokens sampled in vain, since the start: of groups that an engine was told to drop. What an engine
        had sampled when it died is not known."""
        self._proven = False
        """Some engine has answered: what fails from now on may work the next time."""
        self.changed = Signal()
        """Notified when an engine joins or leaves, or confirms a version."""

    # -- state -----------------------------------------------------------------------------------------------

    @property
    def slots(self) -> list[EngineSlot]:
        """All slots, in order."""
        return self._slots

    @property
    def confirmed_version(self) -> int:
        """The version that every live engine serves; a lost one returns with the current weights, so it never
        falls."""
        return self._versions.confirmed

    @property
    def outstanding(self) -> int:
        """Rollouts that engines are working on."""
        return sum(s.outstanding for s in self._slots)

    def actors(self) -> list[ActorState]:
        """Every engine's state."""
        return [slot.state() for slot in self._slots]

    @property
    def busy_s(self) -> float:
        """Seconds with work to do, since the start, over all engines."""
        return self.load.total_busy_s

    def metrics(self) -> dict[str, float]:
        """Deaths and recoveries so far."""
        recoveries = [seconds for s in self._slots for seconds in s.recovery_s]
        return {
            "rollout/engines_live": sum(s.live for s in self._slots),
            "rollout/engine_restarts": sum(s.restarts for s in self._slots),
            **({"rollout/engine_recovery_max_s": max(recoveries)} if recoveries else {}),
        }

    # -- life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start every engine at version 0 (the weights it loads from disk).

        Raises:
            StreamTimeout: an engine did not come up in time.
            FleetDead: an engine raised, as any that is started the same way would.
        """
        try:
            await asyncio.gather(*(self._start_slot(slot) for slot in self._slots))
        except EngineFailed as error:
            # not the traceback of another process; that one is in the actor's log
            raise FleetDead(cause(error)) from None

    async def _start_slot(self, slot: EngineSlot) -> None:
        slot.actor = self._make_actor(slot.index)
        slot.info = await slot.ask("start", within=self._timeouts.start, what="start")
        async with self._push_lock:
            if self._update is not None:
                await self._push_slot(slot, self._update)
            slot.version, slot.live = self._target_version, True
            self._versions.join(slot.index, version=slot.version)
        self.changed.notify()

    async def stop(self) -> None:
        """Stop every engine and its actor; never raises for one that is already gone."""
        for task in self._returning:
            task.cancel()
        await asyncio.gather(*(self._stop_slot(slot) for slot in self._slots))

    def kill(self) -> None:
        """End every engine at once, whatever it is at; ``stop`` afterwards has nothing left to wait for."""
        for task in self._returning:
            task.cancel()
        for slot in self._slots:
            if slot.actor is not None:
                ray.kill(slot.actor)
            slot.live, slot.actor = False, None

    async def _stop_slot(self, slot: EngineSlot) -> None:
        slot.live = False
        if slot.actor is None:
            return
        try:
            await slot.ask("stop", within=self._timeouts.health, what="stop")
        except LOST as error:
            logger.info("engine %d was gone before it could stop: %s", slot.index, error)
        ray.kill(slot.actor)

    async def watch(self) -> None:
        """Run beside the loops: raises FleetDead as soon as no restart is left, also while nobody asks for an
        engine."""
        await self.changed.until(
            lambda: self._fatal is not None, timeout_s=math.inf, what="an engine lost for good"
        )
        assert self._fatal is not None
        raise self._fatal

    # -- requests --------------------------------------------------------------------------------------------

    async def generate(self, request: GroupRequest, *, timeout_s: float) -> list[Completion]:
        """[G] completions from the least loaded live engine.

        Args:
            request: The group.
            timeout_s: Longest time without a new token of it; time in the engine's queue does not count while
                the engine works.

        Raises:
            EngineLost: the engine died, hung or was replaced; issue the group again.
            FleetDead: no restart is left.
        """
        async with self.seat(request, timeout_s=timeout_s) as slot:
            return await completions_of(
                slot.index, slot.actor, request, timeout_s=timeout_s, health_s=self._timeouts.health
            )

    @asynccontextmanager
    async def seat(self, request: GroupRequest, *, timeout_s: float) -> AsyncIterator[EngineSlot]:
        """The least loaded live engine, with the group counted as its work; what is raised inside decides
        whether it is lost. Raises as ``generate``."""
        slot = await self._pick(timeout_s)
        actor, count = slot.actor, len(request.seeds)
        slot.outstanding += count
        self.load.sent(slot.index, count)
        try:
            yield slot
            self._proven = True
        except StreamTimeout as error:
            await self._abort_or_lose(slot, actor, request)
            raise EngineLost(str(error)) from error
        except LOST as error:
            self._lose(slot, actor, error)
            raise EngineLost(
                f"engine {slot.index} died with group {request.group_id}: {brief(error)}"
            ) from error
        finally:
            slot.outstanding -= count
            self.load.done(slot.index, count)

    async def serving(self, timeout_s: float = 0.0) -> None:
        """Return once an engine is live; one may take ``timeout_s`` beyond its start. Raises as
        ``generate``."""
        await self.changed.until(
            lambda: self._fatal is not None or any(s.live for s in self._slots),
            timeout_s=timeout_s + self._timeouts.start,
            what="a live engine",
        )
        if self._fatal is not None:
            raise self._fatal

    async def _pick(self, timeout_s: float) -> EngineSlot:
        await self.serving(timeout_s)
        return min((s for s in self._slots if s.live), key=lambda s: (s.outstanding, s.index))

    async def _abort_or_lose(self, slot: EngineSlot, actor: Any, request: GroupRequest) -> None:
        """A late group is dropped from its engine; an engine that cannot even do that has hung."""
        try:
            call = actor.abort.options(concurrency_group="control").remote([request.group_id])
            what = f"engine {slot.index} to abort a late group"
            self.tokens_lost += await wait_for(call, self._timeouts.health, what)
        except LOST as error:
            self._lose(slot, actor, error)

    async def abort(self, group_id: int) -> None:
        """Make every live engine drop a group, if it has it."""
        for slot in [s for s in self._slots if s.live]:
            try:
                self.tokens_lost += await slot.ask(
                    "abort", [group_id], within=self._timeouts.health, what=f"abort group {group_id}"
                )
            except LOST as error:
                self._lose(slot, slot.actor, error)

    async def score(self, sequences: list[list[int]]) -> list[list[list[float]]]:
        """Probe log-probs of every live engine, [engines][sequences][T-1]."""
        live = [s for s in self._slots if s.live]
        results = await asyncio.gather(
            *(s.ask("score", sequences, within=self._timeouts.sync, what="score the probe") for s in live),
            return_exceptions=True,
        )
        scores = []
        for slot, result in zip(live, results, strict=True):
            if isinstance(result, LOST):
                self._lose(slot, slot.actor, result)
            elif isinstance(result, BaseException):
                raise result
            else:
                scores.append(result)
        return scores

    async def stats(self) -> list[dict[str, float]]:
        """Counters of every live engine."""
        calls = [
            s.ask("stats", within=self._timeouts.health, what="say its stats") for s in self._slots if s.live
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        return [r for r in results if isinstance(r, dict)]

    # -- weights ---------------------------------------------------------------------------------------------

    async def init_weight_transfer(
        self, info_of: Callable[[int], Mapping[str, Any]], *, timeout_s: float
    ) -> None:
        """Make every engine join the transfer group with its own init info, all at once; for nccl and ipc.

        Raises:
            StreamTimeout: they did not join in time; where one is missing, the others hang too.
        """
        calls = [
            s.actor.init_weight_transfer.options(concurrency_group="control").remote(info_of(s.index))
            for s in self._slots
        ]
        await wait_for(
            asyncio.gather(*calls), timeout_s, f"all of {len(calls)} engines to join the weight transfer"
        )

    async def push(self, update: WeightUpdate) -> None:
        """Give every live engine these weights; one that fails leaves routing and restarts. Versions only
        rise.

        When it returns, ``confirmed_version == update.version``.

        Raises:
            FleetDead: an engine failed that cannot rejoin; at once, since the others wait for it inside the
                transfer.
        """
        if self._fatal is not None and not self._rejoin:
            raise self._fatal
        assert update.version >= self._target_version, "policy versions never go back"
        async with self._push_lock:
            self._update, self._target_version = update, update.version
            await asyncio.gather(
                *(self._or_lose(s, self._push_slot(s, update)) for s in self._slots if s.live)
            )
        self.changed.notify()

    async def fetch(self, update: WeightUpdate) -> None:
        """Bring these weights to every live engine's node, before ``push``, while engines sample on; for
        object. One that cannot is lost."""
        within, what = self._timeouts.sync, f"fetch version {update.version}"
        live = [s for s in self._slots if s.live]
        await asyncio.gather(
            *(self._or_lose(s, s.ask("fetch_weights", update, within=within, what=what)) for s in live)
        )

    async def _or_lose(self, slot: EngineSlot, work: Awaitable[Any]) -> None:
        actor = slot.actor
        try:
            await work
        except (*LOST, RuntimeError, ValueError) as error:
            self._lose(slot, actor, error)
            if self._fatal is not None and not self._rejoin:
                raise self._fatal from error

    async def _push_slot(self, slot: EngineSlot, update: WeightUpdate) -> None:
        what = f"load version {update.version}"
        served = await slot.ask("update_weights", update, within=self._timeouts.sync, what=what)
        if served != update.version:
            raise RuntimeError(
                f"engine {slot.index} serves version {served} after a push of {update.version}"
            )
        slot.version = served
        if slot.live:
            self._versions.confirm(slot.index, version=served)

    # -- loss and return -------------------------------------------------------------------------------------

    def _lose(self, slot: EngineSlot, actor: Any, error: BaseException) -> None:
        """Take an engine out of routing and bring a new one up; idempotent for one actor."""
        if slot.actor is not actor or not slot.live:
            return
        slot.live, slot.lost_at = False, time.monotonic()
        self._versions.leave(slot.index)
        if not self._rejoin:
            slot.failed = True
            self._fatal = self._fatal or TransferGroupBroken(
                f"engine {slot.index} was lost ({brief(error)}), and a restarted one cannot rejoin by "
                "rollout.weight_transfer=nccl|ipc: engines and learner start again from the last checkpoint"
            )
            logger.error("%s", self._fatal)
            self.changed.notify()
            return
        if isinstance(error, EngineFailed) and not self._proven:
            slot.failed = True
            self._fatal = FleetDead(
                f"engine {slot.index} failed at its first request, and would again: {cause(error)}"
            )
            self.changed.notify()
            return
        slot.restarts += 1
        logger.error("engine %d lost (%s); restart %d", slot.index, brief(error), slot.restarts)
        if slot.restarts > self._max_restarts:
            slot.failed = True
            self._fatal = FleetDead(
                f"engine {slot.index} died {slot.restarts} times (rollout.max_restarts={self._max_restarts}):"
                f" {brief(error)}"
            )
            self.changed.notify()
            return
        ray.kill(actor)
        task = in_background("fleet", self._return(slot), what=f"restarting engine {slot.index}")
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)
        self.changed.notify()

    async def _return(self, slot: EngineSlot) -> None:
        while True:
            try:
                await self._start_slot(slot)
            except (*LOST, RuntimeError) as error:
                slot.restarts += 1
                logger.warning(
                    "engine %d did not come back (%s); restart %d", slot.index, brief(error), slot.restarts
                )
                if slot.restarts > self._max_restarts:
                    slot.failed = True
                    self._fatal = FleetDead(f"engine {slot.index} cannot be restarted: {brief(error)}")
                    self.changed.notify()
                    return
                ray.kill(slot.actor)
            else:
                slot.recovery_s.append(time.monotonic() - slot.lost_at)
                logger.warning(
                    "engine %d is back after %.1f s at version %d",
                    slot.index,
                    slot.recovery_s[-1],
                    slot.version,
                )
                return
