"""Who gets in: so many requests at work, so many waiting, each with a limit in time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from rl.serve.errors import RequestError


class Gate:
    """A bounded queue.

    Args:
        parallel: Requests at work at once; they share the engines.
        waiting: Requests that may wait for that; one more is refused.
        timeout_s: Wall seconds from arrival, the waiting included.

    Example::

        with gate.place() as place:             # 503 if full
            async with place.in_time():         # 504 when time is up
                ...                             # read and check
                async with gate.turn:
                    ...                         # work
    """

    def __init__(self, *, parallel: int, waiting: int, timeout_s: float) -> None:
        self._places, self._timeout_s, self._parallel = parallel + waiting, timeout_s, parallel
        self.turn = asyncio.Semaphore(parallel)
        self.admitted_now = 0
        self.done = 0

    @property
    def running(self) -> int:
        """Requests at work, or about to be."""
        return min(self.admitted_now, self._parallel)

    @contextmanager
    def place(self) -> Iterator["Place"]:
        """Counted inside.

        Raises:
            RequestError: 503, the queue is full.
        """
        if self.admitted_now >= self._places:
            raise RequestError(503, "the queue is full; try again", code="queue_full")
        self.admitted_now += 1
        try:
            yield Place(self._timeout_s)
        finally:
            self.admitted_now -= 1
            self.done += 1


class Place:
    """A request's place in the queue, with its time limit from arrival on."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._deadline = asyncio.get_running_loop().time() + timeout_s

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Timed inside.

        Raises:
            RequestError: 504, time is up.
        """
        try:
            async with asyncio.timeout_at(self._deadline):
                yield
        except TimeoutError as error:
            text = (
                f"no answer within {self._timeout_s:g} s; ask for fewer tokens, or start the service with a"
                " larger --timeout-s"
            )
            raise RequestError(504, text, code="timeout") from error
