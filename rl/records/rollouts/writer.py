"""Writes rollout files in a thread of their own, so that neither the event loop nor a step waits for them."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from rl.records.rollouts.files import RolloutFile
    from rl.records.rollouts.thinning import Folder

MOST_WAITING = 4
"""Files that may wait for a slow disk before whoever brings the next one waits too: each holds its rollouts
in memory."""


class RolloutWriter:
    """One thread; files are written in the order in which they were brought.

    What writing raised (OSError on a full disk) is raised by the next call of any method, and by ``close`` at
    the latest.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rollout-files")
        self._waiting: deque[Future[None]] = deque()
        self.busy_s = 0.0
        """CPU seconds that the thread has spent on making and writing files."""

    async def put(self, folder: "Folder", file: "RolloutFile", make: "Callable[[], pa.Table]") -> None:
        """Have ``make()`` and the writing done in the thread; returns at once unless the disk is behind."""
        self._raise_failures()
        while len(self._waiting) >= MOST_WAITING:
            await self._oldest()
        self._waiting.append(self._thread.submit(self._write, folder, file, make))

    async def flush(self) -> None:
        """Return when everything brought so far is on disk."""
        while self._waiting:
            await self._oldest()

    async def _oldest(self) -> None:
        # asyncio.wait: whoever waits may be cancelled, the file is to be written all the same.
        written = asyncio.wrap_future(self._waiting[0])
        await asyncio.wait([written])
        written.exception()  # raised below, from the queue
        self._raise_failures()

    def _raise_failures(self) -> None:
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft().result()

    def close(self) -> None:
        """Finish what was brought, and end the thread; idempotent."""
        self._thread.shutdown(wait=True)
        self._raise_failures()

    def _write(self, folder: "Folder", file: "RolloutFile", make: "Callable[[], pa.Table]") -> None:
        started = time.thread_time()
        try:
            folder.put(file, make())
        finally:
            self.busy_s += time.thread_time() - started
