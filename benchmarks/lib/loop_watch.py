"""How long an event loop stands still: every callback timed, by the coroutines that it ran."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class LoopWatch:
    """How long each callback of the event loop took, by the coroutines that it ran."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        """CPU seconds of the loop's own thread: without waiting for a core or for another thread."""
        self.longest: dict[str, tuple[float, float]] = {}

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Time every callback of this thread's loops inside the block."""
        own, run = threading.get_ident(), asyncio.events.Handle._run

        def timed(handle: Any) -> None:
            if threading.get_ident() != own:
                return run(handle)
            name, started, cpu = _name(handle), time.perf_counter(), time.thread_time()
            run(handle)
            took = time.perf_counter() - started, time.thread_time() - cpu
            self.seconds.append(took[0])
            self.cpu_seconds.append(took[1])
            self.longest[name] = max(self.longest.get(name, (0.0, 0.0)), took)

        asyncio.events.Handle._run = timed  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            asyncio.events.Handle._run = run  # type: ignore[method-assign]


def _name(handle: Any) -> str:
    """Where a task stands: its coroutines, from the outermost to the one that waits; or a function."""
    task = getattr(handle._callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return str(getattr(handle._callback, "__qualname__", handle._callback))
    names: list[str] = []
    coroutine: Any = task.get_coro()
    while hasattr(coroutine, "cr_code"):
        names.append(coroutine.__qualname__)
        coroutine = coroutine.cr_await
    return " > ".join(names[:1] + names[1:][:3])
