"""Progress where nobody watches a bar: one line at every tenth of the way, for files and pipes."""

import sys
import time
from typing import TextIO

from rl.records.terminal import quiet

TENTHS = 10


class Milestones:
    """Fed how far things are; prints a line when one of them reaches the next tenth."""

    def __init__(self, *, out: TextIO | None = None) -> None:
        """``out``: standard error unless told."""
        self._out = out or sys.stderr
        self._reached: dict[str, int] = {}
        self._start = time.monotonic()

    def show(self, name: str, done: float, total: float, status: str = "") -> None:
        """``done`` of ``total``; the first call says that it has begun."""
        tenth = int(TENTHS * done / total) if total else TENTHS
        if tenth > self._reached.get(name, -1) and not quiet():
            self._reached[name] = tenth
            line = f"{name}: {100 * tenth // TENTHS}%  {status}  ({time.monotonic() - self._start:.0f} s)"
            print(line, file=self._out, flush=True)
