"""Trackio: a database on this machine that all runs share (TRACKIO_DIR, or Trackio's own place in the cache of
Hugging Face), or a Space; ``trackio show`` shows it."""

from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from rl.records.trackers.base import Row, TrackedRun, numbers
from rl.records.trackers.ids import keep_id, read_id


class TrackioRun:
    """One Trackio run; a resume goes on with it by its name."""

    def __init__(self, run: TrackedRun) -> None:
        """Start or go on; raises what Trackio raises."""
        import trackio

        self._trackio = trackio
        known = read_id(run.directory, "trackio")
        settings = run.settings
        # Two runs may have the same name in different folders; the database knows them by it.
        name = known or _free_name(trackio, settings.get("project", "t2rl"), run.name)
        with redirect_stdout(StringIO()):
            self._run: Any = trackio.init(
                project=settings.get("project", "t2rl"),
                name=name,
                group=settings.get("group"),
                space_id=settings.get("space"),
                config=dict(run.config),
                resume="allow" if known else "never",
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )
        if known is None:
            keep_id(run.directory, "trackio", name)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record one step."""
        self._run.log(numbers(metrics), step=step)

    def samples(self, step: int, rows: Sequence[Row]) -> None:
        """Show a table."""
        if rows:
            columns = list(rows[0])
            data = [[row[column] for column in columns] for row in rows]
            self._run.log({"samples": self._trackio.Table(columns=columns, data=data)}, step=step)

    def finish(self) -> None:
        """Flush and end; idempotent."""
        if self._run is not None:
            with redirect_stdout(StringIO()):
                self._run.finish()
            self._run = None


def _free_name(trackio: Any, project: str, name: str) -> str:
    """``name``, or ``name-2``, ``name-3``, ... where the project has it already."""
    taken = {run.name for run in trackio.Api().runs(project)}
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free
