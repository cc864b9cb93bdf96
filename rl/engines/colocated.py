"""Engines that have their devices in turns with the learner (``rl.stream.turns``): awake in their own turn,
asleep in the learner's.

All that works on a device waits for the engines' turn: starts, requests, pushes, probes. Requests that are
with an engine when its turn ends stay with it, and go on when it wakes up.
"""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import psutil

from rl.engines.fleet import EngineFleet
from rl.engines.slot import EngineSlot
from rl.stream.turns import ENGINES, Turns
from rl.stream.waits import waiting
from rollout.engine import WeightUpdate
from rollout.types import GroupRequest

logger = logging.getLogger(__name__)

LOOK_S = 0.05


class ColocatedFleet(EngineFleet):
    """An ``EngineFleet`` that can leave its devices; all of it, or all but the engines that are apart."""

    def __init__(self, *, turns: Turns, apart: int = 0, **settings: Any) -> None:
        """``apart``: so many of the last engines have devices of their own, and never sleep. ``settings`` are
        those of ``EngineFleet``."""
        super().__init__(**settings)
        self._turns = turns
        self._apart = {slot.index for slot in self._slots[len(self._slots) - apart :]}
        self._coming: WeightUpdate | None = None
        """The push that waits for the engines' turn: who wakes up without weights takes this one."""
        self._sampled_asleep = 0

    def metrics(self) -> dict[str, float]:
        """Deaths and recoveries so far, changes of the turn, and tokens that sleeping engines sampled, which
        are none."""
        return {
            **super().metrics(),
            **self._turns.metrics(),
            "turns/tokens_asleep": float(self._sampled_asleep),
        }

    def _clock_of(self, slot: EngineSlot) -> Callable[[], float]:
        return time.monotonic if self._is_apart(slot) else partial(self._turns.clock, ENGINES)

    def _is_apart(self, slot: EngineSlot) -> bool:
        return slot.index in self._apart

    def _routable(self) -> list[EngineSlot]:
        """In the learner's turn those that are apart, if there are any."""
        live = super()._routable()
        awake = live if self._turns.side == ENGINES else [s for s in live if self._is_apart(s)]
        return awake or live

    async def sleep(self, level: int) -> None:
        """Take every live engine off the learner's device. Level 2 only once there was a push, which it can
        be given again. One that does not obey is lost, and its process is gone when this returns."""
        async with self._push_lock:
            level = 1 if self._update is None else level
            live = [s for s in self.slots if s.live and not self._is_apart(s)]
            await asyncio.gather(*(self._or_lose(s, self._to_sleep(s, level)) for s in live))
            lost = [s.info for s in live if not s.live]
        for info in lost:
            await _gone(info, within=self._timeouts.health)

    async def _to_sleep(self, slot: EngineSlot, level: int) -> None:
        what = f"go to sleep at level {level}"
        slot.sampled = await slot.ask("sleep", level, within=self._timeouts.sync, what=what)
        slot.asleep = level

    async def wake(self) -> None:
        """Let the engines have their devices again; those that dropped their weights load the newest
        push."""
        async with self._push_lock:
            if self._coming is not None:
                self._update, self._target_version = self._coming, self._coming.version
            asleep = [s for s in self.slots if s.live and s.asleep]
            await asyncio.gather(*(self._or_lose(s, self._wake_slot(s)) for s in asleep))
        self.changed.notify()

    async def _wake_slot(self, slot: EngineSlot) -> None:
        update = self._update if slot.asleep == 2 else None
        what = "wake up" if update is None else f"wake up with version {update.version}"
        served, sampled = await slot.ask("wake", update, within=self._timeouts.sync, what=what)
        if update is not None:
            if served != update.version:
                raise RuntimeError(f"engine {slot.index} serves {served} and was given {update.version}")
            slot.version = served
            self._versions.confirm(slot.index, version=served)
        self._sampled_asleep += sampled - slot.sampled
        slot.asleep = 0

    # -- what waits for the engines' turn --------------------------------------------------------------------

    async def _start_slot(self, slot: EngineSlot) -> None:
        if self._is_apart(slot):
            await super()._start_slot(slot)
            return
        async with self._turns.held(ENGINES, f"the start of engine {slot.index}"):
            slot.asleep = 0
            await super()._start_slot(slot)

    @asynccontextmanager
    async def seat(self, request: GroupRequest, *, timeout_s: float) -> AsyncIterator[EngineSlot]:
        """As in EngineFleet; a request is sent in the engines' turn, and may last for several. With engines
        apart it is sent at once, to one of those in the learner's turn."""
        if not any(s.live and self._is_apart(s) for s in self._slots):
            await self._turns.come(ENGINES, f"group {request.group_id}")
        async with super().seat(request, timeout_s=timeout_s) as slot:
            yield slot

    async def score(self, sequences: list[list[int]]) -> list[list[list[float]]]:
        """As in EngineFleet."""
        async with self._turns.held(ENGINES, "the engines' side of the probe"):
            return await super().score(sequences)

    async def push(self, update: WeightUpdate) -> None:
        """As in EngineFleet; an engine that wakes up for it without weights loads it at once."""
        self._coming = update
        async with self._turns.held(ENGINES, f"the push of version {update.version}"):
            await super().push(update)

    async def _push_slot(self, slot: EngineSlot, update: WeightUpdate) -> None:
        if not slot.live or slot.version < update.version:
            await super()._push_slot(slot, update)


async def _gone(info: dict[str, Any], *, within: float) -> None:
    """Return when the process of a killed engine is gone: only then is its memory on the device free. Of
    another machine nothing is known."""
    pid, deadline = info.get("pid"), time.monotonic() + within
    if pid is None or info.get("host") != socket.gethostname():
        return
    with waiting(f"process {pid} of a lost engine to be gone", limit_s=within):
        while psutil.pid_exists(pid) and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S)
    if psutil.pid_exists(pid):
        logger.warning("process %d of a lost engine is still there: it may hold memory of the device", pid)
