"""How busy the engines are, as the driver sees it: time with nothing to sample, and time in queues."""

import time
from collections.abc import Callable


class EngineLoad:
    """Integrals over time of what the engines of a fleet have to do. O(1) an event; the driver's event loop
    only."""

    def __init__(
        self, *, num_engines: int, capacity: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``capacity``: sequences that one engine samples at once (``rollout.max_num_seqs``)."""
        self._capacity = capacity
        self._clock = clock
        self._outstanding = dict.fromkeys(range(num_engines), 0)
        self._finished = 0
        self._held_s = self._busy_s = self._queued_s = self._running_s = 0.0
        self._total_busy_s = 0.0
        self._updated = clock()

    def join(self, engine: int) -> None:
        """One more engine."""
        self._advance()
        self._outstanding[engine] = 0

    def leave(self, engine: int) -> None:
        """One engine fewer; what it had is sampled elsewhere."""
        self._advance()
        del self._outstanding[engine]

    def sent(self, engine: int, rollouts: int) -> None:
        """An engine gets rollouts to sample."""
        self._advance()
        self._outstanding[engine] += rollouts

    def done(self, engine: int, rollouts: int) -> None:
        """It gave them back, or lost them."""
        self._advance()
        if engine in self._outstanding:
            self._outstanding[engine] -= rollouts
        self._finished += rollouts

    @property
    def total_busy_s(self) -> float:
        """Seconds with something to sample, over all engines, since the start."""
        self._advance()
        return self._total_busy_s

    def metrics(self) -> dict[str, float]:
        """Figures since the last call, which begins the next interval.

        ``queue_s`` and ``generation_s`` are seconds a rollout, by Little's law: the mean number that waits
        (beyond what an engine takes at once), or is sampled, over the rate at which rollouts finish.
        """
        self._advance()
        out = {}
        if self._held_s > 0:
            out["time/engine_idle_share"] = 1 - self._busy_s / self._held_s
        if self._finished:
            out["time/queue_s"] = self._queued_s / self._finished
            out["time/generation_s"] = self._running_s / self._finished
        self._held_s = self._busy_s = self._queued_s = self._running_s = 0.0
        self._finished = 0
        return out

    def _advance(self) -> None:
        now = self._clock()
        elapsed, self._updated = now - self._updated, now
        self._held_s += elapsed * len(self._outstanding)
        for rollouts in self._outstanding.values():
            running = min(rollouts, self._capacity)
            self._busy_s += elapsed * (rollouts > 0)
            self._total_busy_s += elapsed * (rollouts > 0)
            self._running_s += elapsed * running
            self._queued_s += elapsed * (rollouts - running)
