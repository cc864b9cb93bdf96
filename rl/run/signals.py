"""SIGTERM does what Ctrl-C does, whatever a run is at: a scheduler, ``t2rl stop`` and a user end it the same
way."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Inside the block SIGTERM is handed on as SIGINT. Nothing changes outside the main thread, where Python
    lets nobody set handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, _hand_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _hand_on(*_: Any) -> None:
    signal.raise_signal(signal.SIGINT)
