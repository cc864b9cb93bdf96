"""``metrics.jsonl``: one row per optimizer step, whatever else listens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl.records.jsonl import JsonlWriter, read_jsonl

REASON = "reward/reason_"
BATTERY = "reward/battery_"
_OF_ALL_REWARDS = frozenset(
    f"reward/{name}"
    for name in (
        *("mean", "std", "pass_rate", "trained_mean", "unjudged", "length_corr"),
        *("completions", "errors", "timeouts", "crashes", "respawns", "recycles", "leaks", "cache_hits"),
        *("lost", "busy_s"),
    )
)


def is_component(key: str) -> bool:
    """True for ``reward/NAME``, the mean of a component of the reward; false for what every reward has
    (docs/metrics.md)."""
    return key.startswith("reward/") and key not in _OF_ALL_REWARDS and not key.startswith((REASON, BATTERY))


class MetricsWriter:
    """Writes the rows ``{"attempt", "step", "<stage>/<quantity>[_<unit>]": number, ...}``."""

    def __init__(self, path: Path, *, attempt: int, restored_step: int = 0, fsync_every: int = 1) -> None:
        """See :class:`~rl.records.jsonl.JsonlWriter`."""
        self._rows = JsonlWriter(path, attempt=attempt, restored_step=restored_step, fsync_every=fsync_every)

    def write(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Append the row of one step."""
        self._rows.write({"step": step, **metrics})

    def close(self) -> None:
        """Flush and close; idempotent."""
        self._rows.close()


def live_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Step rows in the lineage of the final weights, by step: an attempt supersedes earlier rows from its
    restored step on."""
    live: list[dict[str, Any]] = []
    for row in rows:
        if "restored_step" in row:
            live = [r for r in live if r["step"] < row["restored_step"]]
        elif "step" in row:
            live.append(row)
    return sorted(live, key=lambda r: r["step"])


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The live rows of a metrics file."""
    return live_rows(read_jsonl(path))
