"""The contract of a tracker, as checks that run on outside code too: ``t2rl trackers check``."""

import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rl.records.trackers import OpenTracker
from rl.records.trackers.base import SampleTracker, TrackedRun, Tracker
from rollout.contract import Finding, require, run_checks

STEP = {"reward/mean": 0.25, "rollout/tokens": 512, "advisory/some_rule": 1.0, "loss/total": -1e-9}
SAMPLE = {
    "step": 3,
    "prompt_id": "p",
    "category": "c",
    "prompt": "a | b\nc",
    "completion": "",
    "reward": 0.5,
    "correct": False,
    "reason": "no answer",
    "length": 0,
}


@dataclass(frozen=True, kw_only=True)
class AskedTracker:
    """A tracker under test, opened for runs in directories of their own."""

    open_tracker: OpenTracker
    settings: Mapping[str, Any]
    root: Path
    _number: list[int] = field(default_factory=lambda: [0])

    def fresh(self) -> TrackedRun:
        """A run that no tracker has seen."""
        self._number[0] += 1
        directory = self.root / f"run-{self._number[0]}"
        directory.mkdir()
        config = {"run": {"name": directory.name}, "learner": {"betas": [0.9, 0.95], "lora": None}}
        return TrackedRun(directory=directory, name=directory.name, config=config, settings=self.settings)

    def opened(self, run: TrackedRun) -> Tracker:
        """Open it for a run."""
        tracker = self.open_tracker(run)
        for name in ("log", "finish"):
            require(callable(getattr(tracker, name, None)), f"what it opens has no method {name}()")
        return tracker


def opens(asked: AskedTracker) -> None:
    """It opens in any thread, and gives what has ``log`` and ``finish``."""
    asked.opened(asked.fresh()).finish()


def logs(asked: AskedTracker) -> None:
    """It takes steps whose keys come and go, and leaves the row as it is."""
    tracker = asked.opened(asked.fresh())
    for step, row in enumerate((STEP, {}, {"only/here": 1.0}, STEP)):
        given = dict(row)
        tracker.log(step, given)
        require(given == row, "it changes the metrics")
    tracker.finish()


def goes_on(asked: AskedTracker) -> None:
    """Opened again for the same run, it takes steps below the last one."""
    run = asked.fresh()
    tracker = asked.opened(run)
    for step in range(4):
        tracker.log(step, STEP)
    tracker.finish()
    again = TrackedRun(
        directory=run.directory,
        name=run.name,
        config=run.config,
        settings=run.settings,
        attempt=2,
        restored_step=2,
        rows_before=4,
    )
    tracker = asked.opened(again)
    tracker.log(2, STEP)
    tracker.finish()


def shows(asked: AskedTracker) -> None:
    """Where it has ``samples``, it takes none, one and several."""
    tracker = asked.opened(asked.fresh())
    if isinstance(tracker, SampleTracker):
        for step, rows in enumerate(([], [SAMPLE], [SAMPLE, SAMPLE])):
            tracker.samples(step, rows)
            tracker.log(step, STEP)
    tracker.finish()


def finishes(asked: AskedTracker) -> None:
    """It may be told to finish twice, and before any step."""
    tracker = asked.opened(asked.fresh())
    tracker.finish()
    tracker.finish()


CHECKS: Mapping[str, Callable[[AskedTracker], None]] = {
    "opens in a thread": opens,
    "takes steps as they come": logs,
    "goes on after a resume": goes_on,
    "takes samples": shows,
    "finishes twice": finishes,
}
"""Name -> check, in the order to run them."""


def check_tracker(open_tracker: OpenTracker, settings: Mapping[str, Any]) -> list[Finding]:
    """Run every check on a tracker, in one thread as in a run, and in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=1) as thread:
        asked = AskedTracker(open_tracker=open_tracker, settings=settings, root=Path(folder))
        return thread.submit(run_checks, CHECKS, asked).result()
