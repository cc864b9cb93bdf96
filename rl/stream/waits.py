"""The waits of every loop of this process, as they are right now.

Loops do not report: :func:`rl.stream.waiting.wait_for` and ``Signal.until`` put down what they wait for, and
the few other waits do so with :func:`waiting`. Whose wait it is follows from the context of the task
(:func:`as_loop`), which the tasks that a loop starts inherit. Used from the event loop's thread only.
"""

import math
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
Text = str | Callable[[], str]
ELSEWHERE = "main"
"""Name for waits outside any named loop."""


@dataclass(slots=True, eq=False)
class _Wait:
    loop: str
    what: Text
    limit_s: float
    since: float
    inner: int = 0
    """Waits inside this one, of the same loop; they say it more exactly."""


@dataclass(slots=True)
class _Loop:
    users: int = 0
    changed_at: float = field(default_factory=time.time)
    waits: dict[int, _Wait] = field(default_factory=dict)
    """By identity, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopState:
    """One loop at one moment."""

    waits_for: str | None
    """None while it works."""
    since: float
    """Seconds since the epoch: when this wait began, or the last one ended."""
    limit_s: float | None = None
    """Seconds after which the wait fails; None where waiting without an end is normal."""
    others: int = 0
    """Further waits of the same loop, each of a task of its own."""


_LOOPS: dict[str, _Loop] = {}
_NAME: ContextVar[str] = ContextVar("t2rl_loop", default=ELSEWHERE)
_OUTER: ContextVar[_Wait | None] = ContextVar("t2rl_wait", default=None)


@contextmanager
def as_loop(name: str) -> Iterator[None]:
    """Waits inside the block, and those of tasks that are started there, are the loop ``name``'s."""
    loop = _LOOPS.setdefault(name, _Loop())
    loop.users += 1
    token = _NAME.set(name)
    try:
        yield
    finally:
        _NAME.reset(token)
        loop.users -= 1
        _forget(name, loop)


async def run_as_loop(name: str, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, awaited as the loop ``name``; for ``asyncio.create_task``."""
    with as_loop(name):
        return await work


@contextmanager
def waiting(what: Text, *, limit_s: float = math.inf) -> Iterator[None]:
    """Put down that the current loop waits for ``what`` while the block lasts; a callable is asked whenever
    somebody looks."""
    name = _NAME.get()
    loop = _LOOPS.setdefault(name, _Loop())
    wait = _Wait(name, what, limit_s, time.time())
    outer = _OUTER.get()
    if outer is not None and outer.loop == name:
        outer.inner += 1
    loop.waits[id(wait)] = wait
    token = _OUTER.set(wait)
    try:
        yield
    finally:
        _OUTER.reset(token)
        del loop.waits[id(wait)]
        if outer is not None and outer.loop == name:
            outer.inner -= 1
        loop.changed_at = time.time()
        _forget(name, loop)


def loop_states() -> dict[str, LoopState]:
    """Every loop by name, in the order in which they began."""
    return {name: _state(loop) for name, loop in _LOOPS.items()}


def _state(loop: _Loop) -> LoopState:
    """The oldest of several waits that must end counts: one without a limit is normal."""
    waits = [wait for wait in loop.waits.values() if not wait.inner]
    if not waits:
        return LoopState(waits_for=None, since=loop.changed_at)
    limited = [wait for wait in waits if wait.limit_s < math.inf]
    shown = (limited or waits)[0]
    return LoopState(
        waits_for=shown.what if isinstance(shown.what, str) else shown.what(),
        since=shown.since,
        limit_s=shown.limit_s if limited else None,
        others=len(limited or waits) - 1,
    )


def _forget(name: str, loop: _Loop) -> None:
    if not loop.users and not loop.waits and _LOOPS.get(name) is loop:
        del _LOOPS[name]
