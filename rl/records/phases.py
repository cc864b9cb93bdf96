"""Say what a command is at before there are steps to count: one line for each phase, with the seconds since
the command began."""

import sys
import time
from collections.abc import Callable
from typing import IO

from rl.records.run_log import TOLD
from rl.records.terminal import quiet


class Phases:
    """Lines such as ``[  3.1 s] starting Ray``, on stderr unless told, each written when its phase begins."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream
        self._began = time.monotonic()
        self._listeners: list[Callable[[str], None]] = []
        self.text = ""
        """The phase of now."""
        self.since = time.time()
        """When it began, in seconds since the epoch."""

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with every phase from now on."""
        self._listeners.append(listener)

    def __call__(self, text: str) -> None:
        """The next phase begins."""
        self.text, self.since = text, time.time()
        if not quiet():
            line = f"[{time.monotonic() - self._began:5.1f} s] {text}"
            print(line, file=self._stream or sys.stderr, flush=True)
        TOLD.info(text)
        for listener in self._listeners:
            listener(text)
