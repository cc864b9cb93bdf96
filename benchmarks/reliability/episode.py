"""One run from its first step to its last under a schedule of faults, and what every fault took."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.reliability.faults import Kind, NotNow, Scene

LAST = 6
"""No fault strikes in the last steps: each has to be seen to be over."""
MORE = 3
"""Steps after which a fault is over: at staleness 1 two more may have been sampled before it."""
LONGEST_BREAK_S = 1.5
STARTS = 12
"""Starts in a row that train nothing, after which a run is given up."""
Note = Callable[[dict[str, Any]], None]


class GaveUp(RuntimeError):
    """The run does not go on, however often it is started."""


@dataclass(slots=True)
class Episode:
    """Strikes until the run has come to its end."""

    scene: Scene
    steps: int
    note: Note
    """Takes one row for each fault that is over."""
    deadline: float
    """``time.monotonic()`` after which no fault strikes; the run still comes to its end."""
    stuck_s: float = 300.0
    """A run that trains nothing for so long hangs."""
    starts_in_vain: int = 0
    _seen: int = 0

    def run(self, faults: Iterator[Kind]) -> None:
        """Start or go on, strike, and return when the last step is trained and the process has ended well.

        Raises:
            GaveUp: It does not go on.
        """
        job = self.scene.job
        job.start()
        self._until_step(2)
        for kind in faults:
            if self._finished or job.last_step() >= self.steps - LAST or time.monotonic() > self.deadline:
                break
            self._strike(kind)
        while not self._finished:
            self._tick(time.monotonic())
            time.sleep(0.1)

    @property
    def _finished(self) -> bool:
        return self.scene.job.code == 0

    def _until_step(self, step: int) -> bool:
        """Whether so many steps are trained; False if the run came to its end first."""
        since = time.monotonic()
        while self.scene.job.last_step() < step:
            if self._finished:
                return False
            since = self._tick(since)
            time.sleep(0.05)
        return True

    def _tick(self, since: float) -> float:
        """Start what has ended, end what hangs; returns when the last progress was."""
        scene, now = self.scene, time.monotonic()
        step = scene.job.last_step()
        if step != self._seen:
            self._seen, self.starts_in_vain, since = step, 0, now
        if not scene.job.alive and not self._finished:
            self._start_again()
            return time.monotonic()
        if now - since > self.stuck_s:
            self.note({"what": "stuck", "step": step, "words": scene.job.words(30)})
            scene.job.signal(_KILL)
            scene.job.wait(30)
        return since

    def _start_again(self) -> None:
        scene = self.scene
        self.note({"what": "ended", "code": scene.job.code, "words": scene.job.words(3)[-400:]})
        self.starts_in_vain += 1
        if self.starts_in_vain > STARTS:
            raise GaveUp(f"{STARTS} starts in a row trained nothing, lastly:\n{scene.job.words()}")
        scene.put_right()
        scene.job.start()
        if scene.kill_after_start_s is not None:
            seconds, scene.kill_after_start_s = scene.kill_after_start_s, None
            if not scene.job.wait(seconds):
                scene.job.signal(_KILL)
                scene.job.wait(30)

    def _strike(self, kind: Kind) -> None:
        scene = self.scene
        time.sleep(scene.chance.uniform(0, LONGEST_BREAK_S))
        if self._finished:
            return
        before, attempts, starts = scene.job.last_step(), scene.job.attempts(), scene.job.starts
        began = time.monotonic()
        row: dict[str, Any] = {"what": "fault", "kind": kind.name, "step": before}
        try:
            kind.strike(scene)
        except NotNow as reason:
            self.note(row | {"what": "not now", "why": str(reason)})
            scene.put_right()
            return
        if kind.holds:
            self._until_ended(began)
        over = self._until_step(min(before + MORE, self.steps))
        scene.put_right()
        self.note(
            row
            | {
                "recover_s": round(time.monotonic() - began, 2),
                "over": over,
                "sessions": scene.job.attempts() - attempts,
                "starts": scene.job.starts - starts,
                "damaged": scene.damaged,
                "held_the_disk": list(scene.held),
            }
        )
        scene.damaged = ""
        scene.held.clear()

    def _until_ended(self, since: float) -> None:
        """Wait for the process to end of a condition that lasts."""
        while self.scene.job.alive:
            if time.monotonic() - since > self.stuck_s:
                self.note({"what": "stuck", "step": self.scene.job.last_step(), "words": "did not end"})
                self.scene.job.signal(_KILL)
            time.sleep(0.05)


_KILL = signal.SIGKILL


def chance_of(seed: int, episode: int, done: int) -> random.Random:
    """The chances of an episode, other ones after each continuation."""
    return random.Random(f"{seed} {episode} {done}")
