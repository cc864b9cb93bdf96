"""Awaiting with a name: no await in the controller lasts forever, and the error says what it waited for."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from rl.stream.waits import waiting

T = TypeVar("T")
STANDSTILL_S = 1.0
"""A timer so late means that this process did not run."""


class StreamTimeout(TimeoutError):
    """Something the pipeline waited for never came."""


async def wait_for(awaitable: Awaitable[T], timeout_s: float, what: str) -> T:
    """Await with a limit; meanwhile ``rl.stream.waits`` tells what the loop waits for.

    Raises:
        StreamTimeout: naming ``what`` after ``timeout_s`` seconds.
    """
    with waiting(what, limit_s=timeout_s):
        return await _limited(awaitable, timeout_s, what)


async def _limited(awaitable: Awaitable[T], timeout_s: float, what: str) -> T:
    try:
        # Not asyncio.wait_for: in Python 3.11 it swallows a cancellation that meets a result, and the
        # caller's loop waits on.
        async with asyncio.timeout(None) as limit, _running_out(limit, timeout_s):
            return await awaitable
    except TimeoutError as error:
        if isinstance(error, StreamTimeout):
            raise
        raise StreamTimeout(f"waited {timeout_s:g} s for {what}") from error


@asynccontextmanager
async def _running_out(limit: asyncio.Timeout, timeout_s: float) -> AsyncIterator[None]:
    """Let the limit run out in ``timeout_s``, or start anew if this process stood still by then (it was
    stopped, or its machine was): the answer that it waits for may be there."""
    if timeout_s == math.inf:
        yield
        return
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def due() -> None:
        nonlocal timer
        now = loop.time()
        if now - timer.when() < STANDSTILL_S:
            limit.reschedule(now)
        else:
            timer = loop.call_later(timeout_s, due)

    timer = loop.call_later(timeout_s, due)
    try:
        yield
    finally:
        timer.cancel()


class Signal:
    """A condition that loops wait on until a predicate holds; cheaper to reason about than one event per
    state.

    Example::

        await signal.until(lambda: plan.finished, timeout_s=60, what="plan 3")
        signal.notify()   # whenever any state that a predicate reads has changed
    """

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()
        self._stopped_clocks = 0

    @contextmanager
    def stopped_clock(self) -> Iterator[None]:
        """While this lasts (an evaluation may take any time) nobody's limit runs out; afterwards all of them
        start anew."""
        self._stopped_clocks += 1
        try:
            yield
        finally:
            self._stopped_clocks -= 1
            self.notify()

    def notify(self) -> None:
        """Let every waiter look again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def until(
        self, predicate: Callable[[], bool], *, timeout_s: float, what: str | Callable[[], str]
    ) -> None:
        """Return once ``predicate()`` is true.

        Raises:
            StreamTimeout: naming ``what`` if nothing changed for ``timeout_s`` seconds; progress restarts the
                clock.
        """
        with waiting(what, limit_s=timeout_s):
            while not predicate():
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.add(waiter)
                try:
                    await _limited(waiter, timeout_s, what if isinstance(what, str) else what())
                except StreamTimeout:
                    if not self._stopped_clocks:
                        raise
                finally:
                    self._waiters.discard(waiter)
