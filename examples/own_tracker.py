r"""A tracker of your own: a few metrics as a CSV file that a spreadsheet opens, and samples as text.

Check it, then name it in a run, alone or beside others::

    t2rl trackers check examples/own_tracker.py:CsvTracker
    t2rl train quickstart tracker=wandb+examples/own_tracker.py:CsvTracker 'tracker.own.columns=[reward/mean]'
"""

import csv
from collections.abc import Mapping, Sequence
from typing import Any

from rl.records.trackers.base import TrackedRun

COLUMNS = ("reward/mean", "reward/pass_rate", "cost/total_rollout_tokens")


class CsvTracker:
    """Writes ``RUN/table.csv`` and ``RUN/samples.txt``; a resume goes on in the same files."""

    def __init__(self, run: TrackedRun) -> None:
        """Called in a thread of its own, so whatever takes long may be done here."""
        self.columns = tuple(run.settings.get("columns", COLUMNS))
        self.table = (run.directory / "table.csv").open("a", encoding="utf-8", newline="")
        self.texts = (run.directory / "samples.txt").open("a", encoding="utf-8")
        self.writer = csv.writer(self.table)
        if run.attempt == 1:
            self.writer.writerow(["attempt", "step", *self.columns])
        self.attempt = run.attempt

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """One row a step; a figure that the step does not have is left empty."""
        self.writer.writerow([self.attempt, step, *(metrics.get(column, "") for column in self.columns)])
        self.table.flush()

    def samples(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """A few rollouts, every ``tracker.samples_every`` steps. Leave this method out if you want none."""
        for row in rows:
            self.texts.write(f"step {step}, reward {row['reward']:g}: {row['prompt']}{row['completion']}\n")

    def finish(self) -> None:
        """Called at the end, and perhaps twice."""
        self.table.close()
        self.texts.close()
