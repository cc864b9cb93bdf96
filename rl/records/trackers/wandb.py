"""Weights & Biases, offline unless WANDB_MODE says otherwise: no account, no network; ``wandb sync`` uploads
later.

A resume goes on with the same run: offline it writes a directory more under the same id, and ``wandb sync``
uploads directories of one id in the order of their start.
"""

import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from rl.records.trackers.base import Row, TrackedRun
from rl.records.trackers.ids import keep_id, read_id


class WandbRun:
    """One wandb run; its files lie in ``RUN/wandb``."""

    def __init__(self, run: TrackedRun) -> None:
        """Start or go on; raises what wandb raises."""
        import wandb

        self._wandb = wandb
        known = read_id(run.directory, "wandb")
        own = known or secrets.token_hex(4)
        settings = run.settings
        mode: Any = os.environ.get("WANDB_MODE", "offline")
        self._run: Any = wandb.init(
            id=own,
            resume="allow" if known else None,
            project=settings.get("project", "t2rl"),
            entity=settings.get("entity"),
            group=settings.get("group"),
            tags=list(settings.get("tags", ())),
            notes=settings.get("notes"),
            name=run.name,
            dir=str(run.directory),
            config=dict(run.config),
            settings=wandb.Settings(
                mode=mode,
                console="off",
                silent=True,
                quiet=True,
                x_disable_stats=True,
                disable_git=True,
                disable_code=True,
                # It holds the command line, which may have a secret in cluster.env.
                x_disable_meta=True,
            ),
        )
        if known is None:
            keep_id(run.directory, "wandb", own)
        # After a resume steps begin below the last one that was logged, so the step is a metric, and wandb's
        # own counter, which must rise, counts rows.
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")
        self._rows = run.rows_before
        self._shown: dict[str, Any] = {}

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record one step, with the samples that were shown of it."""
        self._run.log({"step": step, **metrics, **self._shown}, step=self._rows)
        self._shown = {}
        self._rows += 1

    def samples(self, step: int, rows: Sequence[Row]) -> None:
        """Keep a table for the row of the step, which follows."""
        if rows:
            columns = list(rows[0])
            data = [[row[column] for column in columns] for row in rows]
            self._shown = {"samples": self._wandb.Table(columns=columns, data=data)}

    def finish(self) -> None:
        """Flush and end; idempotent."""
        if self._run is not None:
            self._run.finish()
            self._run = None
