"""Reads one run for the page without standing in its way: seldom, and never more than a share of one core."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, TypeVar

from rl.views.run_view import RunView
from rl.watch.figures import draw, figure_list, revision
from rl.watch.snapshot import Part, rows, state

INTERVAL_S = 1.0
"""Seconds between two looks at a run, at least."""
SHARE = 0.005
"""Share of one core that looking and drawing may take: what took c seconds then rests for c / SHARE."""

T = TypeVar("T")


class Rested(Generic[T]):
    """A value that is made again when it is asked for and has rested."""

    def __init__(self, make: Callable[[], T], *, at_least_s: float = INTERVAL_S) -> None:
        self._make, self._at_least_s = make, at_least_s
        self._value: T | None = None
        self.again_at = -float("inf")

    def get(self) -> T:
        """The value, which is as old as the rest that making it took."""
        if self._value is None or time.monotonic() >= self.again_at:
            started = time.thread_time()
            self._value = self._make()
            rest_s = max(self._at_least_s, (time.thread_time() - started) / SHARE)
            self.again_at = time.monotonic() + rest_s
        return self._value


@dataclass(frozen=True, slots=True)
class Drawn:
    """One figure as JSON; None where the run has nothing to draw in it."""

    body: bytes | None
    etag: str
    revision: str
    """The run's revision when it was drawn."""


class RunReader:
    """Everything that the page shows of one run. Not for two threads at once."""

    def __init__(self, run: RunView) -> None:
        self.run = run
        self._parts = Rested(self._look)
        self._rows: dict[str, Part] = {}
        self._rows_of: str | None = None
        self._figures: dict[str, Rested[Drawn]] = {}

    def parts(self) -> dict[str, str]:
        """JSON of each part of the snapshot, and of ``figures``: which there are, and the revision.

        A run that cannot be read now (a directory that was moved, a torn file) is a ``state`` with a
        ``problem``.
        """
        return self._parts.get()

    def figure(self, name: str) -> tuple[Drawn, float]:
        """A figure, and the seconds after which asking again is worth it; 0: it is up to date.

        Raises:
            KeyError: there is no such figure.
        """
        rested = self._figures.setdefault(name, Rested(lambda: self._draw(name)))
        drawn = rested.get()
        if drawn.revision == revision(self.run):
            return drawn, 0.0
        return drawn, max(INTERVAL_S, rested.again_at - time.monotonic())

    def _look(self) -> dict[str, str]:
        now = revision(self.run)
        parts: dict[str, Any]
        try:
            if now != self._rows_of:
                self._rows, self._rows_of = rows(self.run), now
            parts = {"state": state(self.run), **self._rows}
        except (ValueError, OSError) as error:
            parts = {"state": {"run": self.run.name, "state": "unreadable", "problem": str(error)}}
        parts["figures"] = {"revision": now, "list": figure_list()}
        return {name: json.dumps(part, separators=(",", ":")) for name, part in parts.items()}

    def _draw(self, name: str) -> Drawn:
        before = revision(self.run)
        body = draw(name, self.run)
        etag = f'"{sha256(body or b"").hexdigest()[:20]}"'
        return Drawn(body, etag, before)
