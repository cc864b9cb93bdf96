"""An event loop on whose clock only waits take time, so that nothing depends on how busy the machine is."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


class WaitsOnly(selectors.SelectSelector):
    """Waits for nothing: the clock goes to where the wait would have ended."""

    now = 0.0

    def select(self, timeout=None):
        assert timeout is not None, "every task waits for another"
        self.now += max(timeout, 0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.clock = WaitsOnly()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Work of threads takes no time and is done at once: the clock would not wait for it."""
        done: asyncio.Future[T] = self.create_future()
        done.set_result(func(*args))
        return done


def played(work: Coroutine[Any, Any, T]) -> T:
    """What ``asyncio.run`` gives, at once."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
