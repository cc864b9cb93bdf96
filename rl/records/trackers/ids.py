"""``RUN/trackers.json``: the ids under which trackers know a run, so that a resume goes on with the same."""

import json
import threading
from pathlib import Path

from rl.records.storage import write_whole

FILE = "trackers.json"
WRITING = threading.Lock()
"""Trackers open at the same time, each in its thread."""


def read_id(directory: Path, tracker: str) -> str | None:
    """The id of a run at a tracker; None if it has none yet."""
    found = _all(directory).get(tracker)
    return None if found is None else str(found)


def keep_id(directory: Path, tracker: str, value: str) -> None:
    """Write the id of a run at a tracker down."""
    path = directory / FILE
    with WRITING:
        content = _all(directory) | {tracker: value}
        write_whole(path, (json.dumps(content, indent=2) + "\n").encode())


def _all(directory: Path) -> dict[str, str]:
    try:
        content: dict[str, str] = json.loads((directory / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return content
