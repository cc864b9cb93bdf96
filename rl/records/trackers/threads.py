"""Runs trackers in threads of their own, so that none of them holds a step up or ends a run.

A tracker's library may be missing, its service down, its disk full. Then the run goes on, and a warning says
so once.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from rl.records.trackers import OpenTracker
from rl.records.trackers.base import Row, SampleTracker, TrackedRun, Tracker, numbers

logger = logging.getLogger(__name__)

WAITING = 256
"""Calls that may wait for a slow tracker before further ones are left out."""
FINISH_S = 30.0
"""Longest wait for all trackers together at the end of a run."""

Job = Callable[[Tracker], None]


class Trackers:
    """All trackers of a run behind one object; its methods return at once, but for ``finish``."""

    def __init__(
        self,
        chosen: Mapping[str, tuple[OpenTracker, TrackedRun]],
        *,
        waiting: int = WAITING,
        finish_s: float = FINISH_S,
    ) -> None:
        """Open them, each in its thread.

        Args:
            chosen: name -> what opens it, and what it is opened for.
            waiting: calls that may wait for one of them.
            finish_s: seconds that ``finish`` may take.
        """
        self._finish_s = finish_s
        self._threads = [_Thread(name, *given, waiting=waiting) for name, given in chosen.items()]

    def log(self, step: int, metrics: Row) -> None:
        """Record the numbers of one step."""
        row = numbers(metrics)
        for thread in self._threads:
            thread.put(lambda tracker: tracker.log(step, row))

    def samples(self, step: int, rows: Sequence[Row]) -> None:
        """Show a few rollouts of a step, before its ``log``, where a tracker can."""
        for thread in self._threads:
            thread.put(lambda tracker: _show(tracker, step, rows))

    @property
    def wanted(self) -> bool:
        """True if somebody listens."""
        return any(not thread.ended for thread in self._threads)

    def finish(self) -> None:
        """Let all of them flush and end, for so long as there is time; idempotent."""
        deadline = time.monotonic() + self._finish_s
        for thread in self._threads:
            thread.end()
        for thread in self._threads:
            thread.join(deadline)
        self._threads = []


def _show(tracker: Tracker, step: int, rows: Sequence[Row]) -> None:
    if isinstance(tracker, SampleTracker):
        tracker.samples(step, rows)


class _Thread:
    """One tracker and the calls that wait for it."""

    def __init__(self, name: str, opened: OpenTracker, run: TrackedRun, *, waiting: int) -> None:
        self._name = name
        self._waiting = waiting
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._late = False
        self.ended = False
        """It has finished or failed."""
        # A daemon: a service that does not answer must not keep the process alive.
        self._thread = threading.Thread(
            target=self._work, args=(opened, run), name=f"tracker {name}", daemon=True
        )
        self._thread.start()

    def put(self, job: Job) -> None:
        """Have a call made; it is left out where too many wait."""
        if self.ended:
            return
        if self._jobs.qsize() < self._waiting:
            self._jobs.put(job)
        elif not self._late:
            self._late = True
            logger.warning(
                "tracker %s is %d calls behind: some steps are missing there; metrics.jsonl has all",
                self._name,
                self._waiting,
            )

    def end(self) -> None:
        """No more calls follow."""
        self._jobs.put(None)

    def join(self, deadline: float) -> None:
        """Wait until it has finished, or until the deadline."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            logger.warning(
                "tracker %s did not finish in time: its last steps may be missing; metrics.jsonl has all",
                self._name,
            )

    def _work(self, opened: OpenTracker, run: TrackedRun) -> None:
        doing = "start"
        try:
            tracker = opened(run)
            doing = "go on"
            while (job := self._jobs.get()) is not None:
                job(tracker)
            doing = "finish"
            tracker.finish()
        except Exception as error:  # noqa: BLE001  the one place where code of trackers' libraries ends
            logger.warning(
                "tracker %s could not %s (%s: %s); the run goes on without it, and metrics.jsonl has all;"
                " tracker=none silences this%s",
                self._name,
                doing,
                type(error).__name__,
                error,
                "; docs/trackers.md says how to install its library" * isinstance(error, ImportError),
            )
        finally:
            self.ended = True
