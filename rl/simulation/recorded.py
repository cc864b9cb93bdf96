"""The parts of a run directory that a simulated system is fitted to: seconds of steps, times and lengths of
groups."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl.views.run_view import RunView

WARM_STEPS = 2
"""Left out at the start: engines and learner warm up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTimes:
    """One group that an engine sampled. Seconds of the trace's clock."""

    step: int
    issued: float
    finished: float
    lengths: tuple[int, ...]
    prompt_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """One run, without its first steps."""

    view: RunView
    rows: list[dict[str, Any]]
    """Rows of ``metrics.jsonl``."""
    groups: list[GroupTimes]
    """In the order in which they were sent, those of the first steps included."""

    @classmethod
    def read(cls, path: Path) -> "RecordedRun":
        """Read a run directory.

        Raises:
            ValueError: it lacks what a calibration needs; names the file and the fix.
        """
        view = RunView(path)
        rows = [row for row in view.metrics() if row["step"] >= WARM_STEPS and "time/train_s" in row]
        if len(rows) < 3:
            raise ValueError(
                f"{path}/metrics.jsonl: {len(rows)} steps after the first {WARM_STEPS}; a calibration needs"
                f" at least 3: train with run.steps={WARM_STEPS + 3} or more"
            )
        groups = _groups(view, _spans(view.files.trace))
        if not groups:
            raise ValueError(
                f"{path}: no group has both a span in trace.json and rollouts in rollouts/; train with"
                " records.rollouts=all, the default, and keep the files"
            )
        return cls(view=view, rows=rows, groups=groups)

    def median(self, key: str) -> float:
        """Return the median of a metric; 0 where no row has it."""
        values = [row[key] for row in self.rows if key in row]
        return float(np.median(values)) if values else 0.0


def _spans(path: Path) -> dict[int, tuple[float, float]]:
    """Group id -> (issued, finished), of the last time that it was sampled."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; every run of t2rl train writes one")
    try:
        events = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not a trace, {error}") from error
    found = {}
    for event in events:
        group = event.get("args", {}).get("group")
        if event.get("ph") == "X" and group is not None:
            start = event["ts"] / 1e6
            found[int(group)] = start, start + event["dur"] / 1e6
    return found


def _groups(view: RunView, spans: dict[int, tuple[float, float]]) -> list[GroupTimes]:
    lengths: dict[int, list[int]] = defaultdict(list)
    prompts: dict[int, int] = {}
    steps: dict[int, int] = {}
    columns = ["step", "group_id", "length", "prompt_length"]
    for row in view.rollouts(columns=columns).to_pylist():
        lengths[row["group_id"]].append(max(1, row["length"]))
        prompts[row["group_id"]], steps[row["group_id"]] = row["prompt_length"], row["step"]
    groups = [
        GroupTimes(
            step=steps[group],
            issued=start,
            finished=end,
            lengths=tuple(lengths[group]),
            prompt_tokens=prompts[group],
        )
        for group, (start, end) in spans.items()
        if group in lengths
    ]
    return sorted(groups, key=lambda one: one.issued)
