"""Trackio: a database on this machine that all runs share (TRACKIO_DIR, or Trackio's own place in the cache
of Hugging Face), or a Space; ``trackio show`` shows it."""

import logging
import secrets
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rl.records.trackers.base import Row, TrackedRun
from rl.records.trackers.ids import keep_id, read_id

logger = logging.getLogger(__name__)


class TrackioRun:
    """One Trackio run; a resume goes on with it by its name."""

    def __init__(self, run: TrackedRun) -> None:
        """Start or go on; raises what Trackio raises."""
        import trackio

        _hush()
        self._trackio = trackio
        known = read_id(run.directory, "trackio")
        settings = run.settings
        # Runs in different folders may have the same name, by which the database would take them for one.
        name = known or f"{run.name}-{secrets.token_hex(2)}"
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
        self._run.log(dict(metrics), step=step)

    def samples(self, step: int, rows: Sequence[Row]) -> None:
        """Show a table."""
        if rows:
            columns = list(rows[0])
            data = [[row[column] for column in columns] for row in rows]
            self._run.log({"samples": self._trackio.Table(columns=columns, data=data)}, step=step)

    def finish(self) -> None:
        """Flush and end; idempotent."""
        if self._run is not None:
            self._run.finish()
            self._run = None


def _hush() -> None:
    """Trackio prints to standard output, which belongs to the run's own display and ``--json``. Redirecting
    standard output would swallow what other threads print, so its modules get a ``print`` of their own."""
    for name, module in list(sys.modules.items()):
        if name == "trackio" or name.startswith("trackio."):
            vars(module)["print"] = _log


def _log(*words: object, **_: object) -> None:
    logger.debug("%s", " ".join(map(str, words)))
