"""The protocol of trackers: what a tracker is given, and what it must have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from rl.records.jsonl import plain

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """The run that a tracker is opened for."""

    directory: Path
    """The run's; what a tracker writes on this machine goes below it."""
    name: str
    config: Mapping[str, Any]
    """The whole config, in JSON's types."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """``tracker.NAME`` of a tracker that ships, ``tracker.own`` of one of your own."""
    attempt: int = 1
    """1 at the first start, one more at each resume."""
    restored_step: int = 0
    """The first step that this attempt trains: rows that came before of this one and later ones count no
    longer."""
    rows_before: int = 0
    """Rows that earlier attempts gave to the tracker."""


class Tracker(Protocol):
    """Where metrics go besides the run directory. All calls come from one thread, which is not the run's, so
    they may block. What a call raises ends this tracker and nothing else."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record the finite numbers of one step; after a resume steps begin again below the last one."""
        ...

    def finish(self) -> None:
        """Flush and end; idempotent."""
        ...


@runtime_checkable
class SampleTracker(Protocol):
    """A tracker that also shows rollouts has this method beside those of ``Tracker``."""

    def samples(self, step: int, rows: Sequence[Row]) -> None:
        """Show a few rollouts of a step; every row has the same keys (``rl.run.tracked.sample_rows``)."""
        ...


def numbers(metrics: Row) -> dict[str, float]:
    """The finite numbers of a row; text and nulls are left to ``metrics.jsonl``."""
    return {key: value for key, value in plain(metrics).items() if isinstance(value, int | float)}


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted name -> value of everything in a tree of mappings."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{name}.")
        else:
            found[name] = value
    return found


def markdown_table(rows: Sequence[Row]) -> str:
    """Rows as a table that Markdown readers show; line breaks in cells become visible."""
    if not rows:
        return ""
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(row[column]) for column in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", "<br>")
