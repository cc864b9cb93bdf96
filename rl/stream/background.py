"""Tasks that may fail when nobody is left to await them."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from rl.stream.waits import run_as_loop

T = TypeVar("T")
logger = logging.getLogger(__name__)


def in_background(name: str, work: Coroutine[Any, Any, T], *, what: str) -> asyncio.Task[T]:
    """A task that awaits ``work`` as the loop ``name``.

    Its failure is logged as ``what`` the moment it fails, in one line, whether or not somebody awaits the
    task too. A run that ends of another failure awaits nothing more; asyncio would tell of this one with a
    traceback below the run's last line.
    """
    task = asyncio.create_task(run_as_loop(name, work))

    def look(ended: asyncio.Task[T]) -> None:
        if not ended.cancelled() and (error := ended.exception()) is not None:
            logger.warning("%s failed: %s: %s", what, type(error).__name__, _last_line(error))

    task.add_done_callback(look)
    return task


def _last_line(error: BaseException) -> str:
    """Ray's errors carry the traceback of the actor; its last line says what happened."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else "no message"
