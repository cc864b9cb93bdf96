"""Which engines a fleet has: started and stopped, lost and brought back, added and taken out.

An engine is in one of three states. *live*: it gets groups and confirms pushes. *lost*: it died, hung or
refused a push; it gets nothing. *returning*: a new actor is loading; it gets the current weights and version
before it serves, or, where weights travel in a transfer group, comes in with the next push. Engines may join
and leave while the fleet works (``rl.engines.follower``).
"""

import asyncio
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import ray

from rl.cluster.nodes import never_ran
from rl.engines.errors import FleetDead, TransferGroupBroken
from rl.engines.load import EngineLoad
from rl.engines.shares import EngineShares
from rl.engines.slot import LOST, EngineSlot, FleetTimeouts, brief, cause
from rl.records.status import ActorState
from rl.stream.background import in_background
from rl.stream.tickets import EngineVersions
from rl.stream.waiting import Signal
from rollout.engine import EngineFailed, WeightUpdate

logger = logging.getLogger(__name__)

AGAIN_S = 1.0
"""Between starts of an actor that Ray does not bring up, because its node is gone."""
LOOK_S = 0.2
"""Between looks at an engine that is to finish what it has."""


class FleetMembers(ABC):
    """The engines of a fleet, whatever they are asked to do."""

    def __init__(
        self,
        *,
        make_actor: Callable[[int], Any],
        num_engines: int = 0,
        max_restarts: int,
        timeouts: FleetTimeouts,
        rejoin: bool = True,
        capacity: int = 512,
        indices: Sequence[int] | None = None,
    ) -> None:
        """``rejoin=False``: weights travel in a group of learner and engines (nccl, ipc), which is formed
        anew at the next push; an engine lost during a push, or the last one, ends this fleet. ``capacity``:
        sequences that one engine samples at once. ``indices``: numbers of its engines; from 0 on without
        them."""
        self._make_actor = make_actor
        self._max_restarts = max_restarts
        self._timeouts = timeouts
        self._rejoin = rejoin
        self._slots = [EngineSlot(index=i) for i in indices or range(num_engines)]
        self.load = EngineLoad(num_engines=0, capacity=capacity)
        self.shares = EngineShares()
        for slot in self._slots:
            self.load.join(slot.index)
            self.shares.join(slot.index)
        self._push_lock = asyncio.Lock()
        self._update: WeightUpdate | None = None
        self._target_version = 0
        self._versions = EngineVersions()
        self._fatal: FleetDead | None = None
        self.joined = self.left = 0
        """Engines added and taken out since the start."""
        self.tokens_lost = 0
        """Tokens sampled in vain, since the start: of groups that an engine was told to drop. What an engine
        had sampled when it died is not known."""
        self._group: list[Any] = []
        """Actors in the transfer group, in the order of their ranks; empty before it was formed."""
        self._transferring = False
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
            **({"rollout/engine_share_min": self.shares.slowest} if len(self._slots) > 1 else {}),
            **({"rollout/engine_recovery_max_s": max(recoveries)} if recoveries else {}),
            **({"rollout/engines_joined": self.joined} if self.joined else {}),
            **({"rollout/engines_left": self.left} if self.left else {}),
        }

    # -- life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start every engine at version 0 (the weights it loads from disk).

        Raises:
            StreamTimeout: an engine did not come up in time.
            FleetDead: an engine raised, as any that is started the same way would.
        """
        try:
            await asyncio.gather(*(self._first_start(slot) for slot in self._slots))
        except EngineFailed as error:
            # not the traceback of another process; that one is in the actor's log
            raise FleetDead(cause(error)) from None

    async def _first_start(self, slot: EngineSlot) -> None:
        """Returns early for an engine that leaves meanwhile."""
        slot.coming = asyncio.create_task(self._start_slot(slot))
        try:
            await asyncio.wait({slot.coming})
        finally:
            slot.coming.cancel()
        if not slot.coming.cancelled():
            slot.coming.result()

    @abstractmethod
    async def _start_slot(self, slot: EngineSlot) -> None:
        """Bring a new actor up in a place of the fleet; it is live when this returns.

        Raises:
            EngineFailed: what the engine raised.
            StreamTimeout: it did not come up in time.
        """

    async def stop(self) -> None:
        """Stop every engine and its actor; never raises for one that is already gone."""
        self._cancel_starts()
        await asyncio.gather(*(self._stop_slot(slot) for slot in self._slots))

    def kill(self) -> None:
        """End every engine at once, whatever it is at; ``stop`` afterwards has nothing left to wait for."""
        self._cancel_starts()
        for slot in self._slots:
            if slot.actor is not None:
                ray.kill(slot.actor)
            slot.live, slot.actor = False, None

    def _cancel_starts(self) -> None:
        for slot in self._slots:
            if slot.coming is not None:
                slot.coming.cancel()

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

    # -- engines that come and go ----------------------------------------------------------------------------

    def add(self, index: int) -> None:
        """One more engine; it gets groups once it is up and holds the current weights."""
        slot = EngineSlot(index=index, lost_at=time.monotonic())
        self._slots.append(slot)
        self.load.join(index)
        self.shares.join(index)
        self.joined += 1
        slot.coming = in_background("fleet", self._return(slot), what=f"starting engine {index}")

    async def leave(self, index: int, *, grace_s: float) -> None:
        """Take an engine out for good. It gets no more groups; those that it samples have ``grace_s``
        seconds, and are issued again elsewhere afterwards."""
        slot = next(s for s in self._slots if s.index == index)
        slot.live = False
        self._versions.leave(index)
        self.changed.notify()
        if slot.coming is not None:
            slot.coming.cancel()
            await asyncio.wait({slot.coming})
        deadline = time.monotonic() + grace_s
        while slot.outstanding and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S)
        if grace_s:
            await self._stop_slot(slot)
        elif slot.actor is not None:
            ray.kill(slot.actor)
        slot.actor = None
        self._slots.remove(slot)
        self.load.leave(index)
        self.shares.leave(index)
        self.left += 1
        self.changed.notify()

    def fail(self, error: FleetDead) -> None:
        """End the fleet: whoever waits for an engine, and ``watch``, raise this."""
        self._fatal = self._fatal or error
        self.changed.notify()

    # -- loss and return -------------------------------------------------------------------------------------

    def _lose(self, slot: EngineSlot, actor: Any, error: BaseException) -> None:
        """Take an engine out of routing and bring a new one up; idempotent for one actor."""
        if slot.actor is not actor or not (slot.live or slot.waiting is not None):
            return
        if not self._rejoin and self._is_fatal(slot):
            slot.live, slot.failed = False, True
            self._fatal = self._fatal or TransferGroupBroken(
                f"engine {slot.index} was lost ({brief(error)})"
                f" {'during a push' if self._transferring else 'and no other is left'} by"
                " rollout.weight_transfer=nccl|ipc: engines and learner start again from the last checkpoint"
            )
            logger.error("%s", self._fatal)
            self.changed.notify()
            return
        if slot.waiting is not None:  # what brings it up counts and goes on
            slot.waiting.set_exception(error)
            slot.waiting = None
            return
        slot.live, slot.lost_at = False, time.monotonic()
        self._versions.leave(slot.index)
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
        slot.coming = in_background("fleet", self._return(slot), what=f"restarting engine {slot.index}")
        self.changed.notify()

    def _is_fatal(self, slot: EngineSlot) -> bool:
        """In a push the learner and the other engines wait for it; without any engine there is no push that
        would bring others in."""
        return self._transferring or not any(s.live for s in self._slots if s is not slot)

    async def _return(self, slot: EngineSlot) -> None:
        while True:
            try:
                await self._start_slot(slot)
            except (*LOST, ray.exceptions.RayError, RuntimeError, ValueError, OSError, ImportError) as error:
                if never_ran(error):  # a node's death, which has been counted; its seat finds another node
                    logger.info("engine %d waits for a node (%s)", slot.index, brief(error))
                    await asyncio.sleep(AGAIN_S)
                    continue
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
                seconds = time.monotonic() - slot.lost_at
                how = "is back" if slot.restarts else "has joined"
                logger.warning(
                    "engine %d %s after %.1f s at version %d", slot.index, how, seconds, slot.version
                )
                if slot.restarts:
                    slot.recovery_s.append(seconds)
                return
