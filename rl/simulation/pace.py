"""Work that advances at a rate which may change: what sharing a device means in simulated time."""

import heapq
from typing import Any

from simpy import Environment, Event


class Pace:
    """Jobs that all advance at one rate: 1 on a device of one's own, 0 while somebody else has its turn, and
    ``min(1, capacity / jobs)`` where jobs share a machine's cores (processor sharing).

    Virtual time: a clock that runs at the rate, on which a job's end never moves.
    """

    def __init__(self, env: Environment, *, capacity: float | None = None) -> None:
        """``capacity``: jobs that can advance at full speed at once; None = any number."""
        self._env, self._capacity = env, capacity
        self._clock = 0.0
        self._since = env.now
        self._holders = 0
        self._jobs: list[tuple[float, int, Event]] = []
        self._serial = 0
        self._alarm = 0

    @property
    def rate(self) -> float:
        """Seconds of work done in a second, by each job."""
        if self._holders:
            return 0.0
        if self._capacity is None or not self._jobs:
            return 1.0
        return min(1.0, self._capacity / len(self._jobs))

    def work(self, seconds: float) -> Event:
        """An event that comes when so much work is done."""
        self._advance()
        done = self._env.event()
        self._serial += 1
        heapq.heappush(self._jobs, (self._clock + seconds, self._serial, done))
        self._set_alarm()
        return done

    def stop(self, done: Event) -> float:
        """Take a job back; returns the seconds of work that are left of it."""
        self._advance()
        at = next(i for i, job in enumerate(self._jobs) if job[2] is done)
        end = self._jobs.pop(at)[0]
        heapq.heapify(self._jobs)
        self._set_alarm()
        return max(0.0, end - self._clock)

    def hold(self) -> None:
        """Nothing advances until as many ``release`` calls."""
        self._advance()
        self._holders += 1
        self._set_alarm()

    def release(self) -> None:
        """Go on."""
        self._advance()
        self._holders -= 1
        self._set_alarm()

    def _advance(self) -> None:
        now = self._env.now
        self._clock += (now - self._since) * self.rate
        self._since = now

    def _set_alarm(self) -> None:
        """Wake at the next end, as far as one can know; an older alarm is void."""
        self._alarm += 1
        if self._jobs and self.rate > 0:
            number = self._alarm
            wait = max(0.0, (self._jobs[0][0] - self._clock) / self.rate)
            timeout = self._env.timeout(wait)
            assert timeout.callbacks is not None
            timeout.callbacks.append(lambda _: self._ring(number))

    def _ring(self, number: int) -> None:
        if number != self._alarm:
            return
        self._advance()
        # The first job is the one that the alarm was set for, whatever rounding says of its end.
        end, _, done = heapq.heappop(self._jobs)
        self._clock = max(self._clock, end)
        done.succeed()
        while self._jobs and self._jobs[0][0] <= self._clock:
            heapq.heappop(self._jobs)[2].succeed()
        self._set_alarm()


class Bell:
    """A condition that processes wait on until a predicate holds, as ``rl.stream.waiting.Signal`` is to
    coroutines."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._next = env.event()

    def ring(self) -> None:
        """Let every waiter look again."""
        if self._next.callbacks:
            self._next.succeed()
            self._next = self._env.event()

    @property
    def next(self) -> Event:
        """The event of the next ring."""
        return self._next

    def until(self, predicate: Any) -> Any:
        """A generator to ``yield from``: returns once ``predicate()`` is true."""
        while not predicate():
            yield self._next
