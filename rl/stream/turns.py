"""Two sides that take turns on one device: a lock with a side and named holders, in one process.

Work of one side may overlap; the other side waits until all of it has ended, then the device changes hands:
the one side leaves it, the other comes. Nothing changes hands while nobody of the other side asks. Whoever
holds the device may let others of the same side in, so a step may hold it around calls that hold it too.

There is no deadlock to be had: who holds a turn never waits for the other side, since all that a holder does
belongs to its own side, and every wait has a limit and a name.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

from rl.stream.background import in_background
from rl.stream.waiting import Signal, wait_for

Side = Literal["engines", "learner"]
ENGINES: Side = "engines"
LEARNER: Side = "learner"


async def _nothing() -> None:
    """For a side that has nothing to leave or to bring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """How a side leaves the device, and how it comes. Each may be asked for again, after one that failed."""

    leave: Callable[[], Awaitable[Any]] = _nothing
    come: Callable[[], Awaitable[Any]] = _nothing


class Apart:
    """Each side has devices of its own: nobody waits."""

    exclusive = False

    def held(self, side: Side, what: str) -> AbstractAsyncContextManager[Any]:
        """Let everybody in at once."""
        return nullcontext()

    async def come(self, side: Side, what: str) -> None:
        """Return at once."""

    def clock(self, side: Side) -> float:
        """Seconds on the wall."""
        return time.monotonic()

    def metrics(self) -> dict[str, float]:
        """Nothing to tell."""
        return {}

    async def end(self) -> None:
        """Nothing to end."""


class Turns(Apart):
    """One device; the engines have it first."""

    exclusive = True

    def __init__(self, *, limit_s: float) -> None:
        """``limit_s``: longest wait for the other side to end one piece of its work."""
        self.side: Side | None = ENGINES
        """Who may work now; None while the device changes hands."""
        self.moves: dict[Side, Moves] = {ENGINES: Moves(), LEARNER: Moves()}
        """Put in before the first turn."""
        self.watch: Callable[[str, float, float], None] | None = None
        """Told of every turn and every change that is over: its name, and from when to when."""
        self._limit_s = limit_s
        self._holders: list[str] = []
        self._change: asyncio.Task[None] | None = None
        self._changed = Signal()
        self._since = time.time()
        self._mine: dict[Side, float] = {ENGINES: 0.0, LEARNER: 0.0}
        """Seconds of turns that are over."""
        self._began = time.monotonic()
        self._changes = 0
        self._change_s = 0.0

    @asynccontextmanager
    async def _hold(self, side: Side, what: str) -> AsyncIterator[None]:
        await self.come(side, what)
        # No await between the end of the wait and this line: nobody else can have come in between.
        self._holders.append(what)
        try:
            yield
        finally:
            self._holders.remove(what)
            self._changed.notify()

    def held(self, side: Side, what: str) -> AbstractAsyncContextManager[Any]:
        """``side`` has the device while the block lasts, for ``what``.

        Raises:
            StreamTimeout: the other side did not end its work in time.
            Exception: whatever kept the one side from leaving or the other from coming.
        """
        return self._hold(side, what)

    async def come(self, side: Side, what: str) -> None:
        """Return when ``side`` has the device; the next ``held`` of the other side takes it away. Raises as
        ``held``."""
        while self.side != side:
            if self._change is not None:
                # Not the waiter's own: it may be cancelled, and half a change is none.
                name = f"the device to change hands, for {what}"
                await wait_for(asyncio.shield(self._change), self._limit_s, name)
            elif self._holders:
                await self._changed.until(
                    lambda: not self._holders or self.side == side,
                    timeout_s=self._limit_s,
                    what=lambda: (
                        f"the turn of the {side}, for {what}; {_named(self._holders)} has the device"
                    ),
                )
            else:
                self._end_turn()
                self._change = in_background(
                    "turns", self._give(side), what=f"giving the device to the {side}"
                )

    def _end_turn(self) -> None:
        """From now on nobody may begin."""
        if self.side is not None:
            self._mine[self.side] += time.monotonic() - self._began
            self._tell(self.side, self._since, time.time())
        self.side = None

    async def _give(self, side: Side) -> None:
        other = LEARNER if side == ENGINES else ENGINES
        started = time.time()
        try:
            await self.moves[other].leave()
            await self.moves[side].come()
            self.side, self._since, self._began = side, time.time(), time.monotonic()
            self._changes += 1
            self._change_s += self._since - started
            self._tell(f"to the {side}", started, self._since)
        finally:
            self._change = None
            self._changed.notify()

    def _tell(self, name: str, started: float, ended: float) -> None:
        if self.watch is not None:
            self.watch(name, started, ended)

    def clock(self, side: Side) -> float:
        """Seconds that ``side`` has had the device, from an arbitrary start; it stands still meanwhile."""
        return self._mine[side] + (time.monotonic() - self._began if self.side == side else 0.0)

    def metrics(self) -> dict[str, float]:
        """How often the device changed hands so far, and the seconds that took."""
        return {"turns/changes": float(self._changes), "turns/change_s": self._change_s}

    async def end(self) -> None:
        """Give up a change that is under way; for the end of a run."""
        self._end_turn()
        if self._change is not None:
            self._change.cancel()
            await asyncio.gather(self._change, return_exceptions=True)


def _named(holders: list[str]) -> str:
    others = f" and {len(holders) - 1} more" if len(holders) > 1 else ""
    return f"{holders[0]}{others}" if holders else "nobody"
