"""Append-only JSON lines that survive a kill.

Rows are one ``write`` to a file opened for appending, so a reader sees whole rows or none. A torn tail (power
loss, full disk) is cut off when the file is opened again. Every attempt at a run begins with ``{"attempt": a,
"restored_step": s}``: rows of earlier attempts at steps >= s were lost with the process that wrote them, and
are superseded.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rl.records.storage import write_all
from rollout.json_lines import text_lines


class JsonlWriter:
    """Appends rows of one attempt to one file."""

    def __init__(self, path: Path, *, attempt: int, restored_step: int = 0, fsync_every: int = 1) -> None:
        """Open ``path`` and write the attempt's first row.

        Args:
            path: Created if missing.
            attempt: 1 for the first start of a run, +1 for each resume.
            restored_step: First step that this attempt trains.
            fsync_every: Rows between flushes to the disk; 0 leaves it to the kernel (a killed process loses
                nothing either way, a crashed machine loses the last rows).
        """
        self.path = path
        self.attempt = attempt
        self._fsync_every = fsync_every
        self._rows = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_tail(path)
        self._fd: int | None = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._append({"attempt": attempt, "restored_step": restored_step})

    def write(self, *rows: Mapping[str, Any]) -> None:
        """Append rows by one ``write``, each with the attempt number in front. NaN and infinities become
        null: JSON has no such numbers."""
        self._append(*({"attempt": self.attempt, **row} for row in rows))

    def _append(self, *rows: Mapping[str, Any]) -> None:
        if self._fd is None:
            raise ValueError(f"{self.path} is closed")
        lines = (json.dumps(plain(row), allow_nan=False, separators=(",", ":")) + "\n" for row in rows)
        write_all(self._fd, "".join(lines).encode())
        before, self._rows = self._rows, self._rows + len(rows)
        if self._fsync_every and before // self._fsync_every < self._rows // self._fsync_every:
            os.fsync(self._fd)

    def close(self) -> None:
        """Flush to the disk and close; idempotent."""
        if self._fd is not None:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = None


def plain(value: Any) -> Any:
    """``value`` in JSON's types: numpy scalars and arrays, tuples and paths are converted, non-finite floats
    become None."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value


def _cut_torn_tail(path: Path) -> None:
    """Drop what follows the last newline."""
    if not path.exists():
        return
    content = path.read_bytes()
    keep = content.rfind(b"\n") + 1
    if keep < len(content):
        os.truncate(path, keep)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """All complete rows, in order; a torn last line is left out.

    Raises:
        ValueError: A line before the last one is not JSON; names file and line.
    """
    rows = []
    for number, line in text_lines(path):
        if not line.endswith("\n"):
            break
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{number}: not a JSON row ({error.msg})") from error
    return rows
