"""Say what a command is at before there are steps to count: one line for each phase, with the seconds since
the command began."""

import sys
import time
from typing import IO

from rl.records.terminal import quiet


class Phases:
    """Lines such as ``[  3.1 s] starting Ray``, on stderr unless told, each written when its phase begins."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        """The next phase begins."""
        if not quiet():
            line = f"[{time.monotonic() - self._began:5.1f} s] {text}"
            print(line, file=self._stream or sys.stderr, flush=True)
