"""A run directory with a status, and what tests change in it."""

import json
import time
from pathlib import Path
from typing import Any

from rl.records.metrics import MetricsWriter
from tests.unit.report.made_runs import made_run

NOW = time.time() + 3600
"""By the clock of another host, which is ahead of ours: the run never looks silent."""
LOOPS = {
    "prompts": {"waits_for": "a free place in the buffer", "since": NOW - 5},
    "learner": {"waits_for": None, "since": NOW - 2},
}
ACTORS = [
    {"name": "engine-0", "kind": "engine", "state": "busy", "detail": "12 requests"},
    {"name": "learner-0", "kind": "learner", "state": "live", "detail": ""},
]


def watched_run(path: Path, *, steps: int = 6, state: str = "finished", **status: Any) -> Path:
    """A run of ``steps`` steps whose status says ``state``."""
    made_run(path, steps=steps, every=3)
    write_status(path, state=state, step=steps, **status)
    return path


def write_status(path: Path, **changes: Any) -> None:
    """Replace ``status.json``."""
    status = {
        "pid": 1,
        "created": 900.0,
        "host": "elsewhere",
        "attempt": 1,
        "state": "running",
        "phase": None,
        "step": 6,
        "steps": 40,
        "updated_at": NOW,
        "started_at": 900.0,
        "loops": LOOPS,
        "actors": ACTORS,
        "last_error": None,
    }
    (path / "status.json").write_text(json.dumps(status | changes))


def add_step(path: Path, step: int, **metrics: float) -> None:
    """One more row, as the same attempt writes it."""
    writer = MetricsWriter(path / "metrics.jsonl", attempt=1, restored_step=step)
    writer.write(step, {"reward/mean": 0.5, "time/step_s": 2.0, **metrics})
    writer.close()
