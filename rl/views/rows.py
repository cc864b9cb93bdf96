"""Rows of a JSON-lines file that may still be growing: each look reads only what was added since the last."""

import json
from pathlib import Path
from typing import Any

from rl.records.metrics import live_rows

Row = dict[str, Any]


class GrowingRows:
    """The complete rows of one append-only file. A file that shrank or was replaced is read again from its
    start."""

    def __init__(self, path: Path) -> None:
        """Nothing is read yet; the file need not exist."""
        self.path = path
        self._inode = 0
        self._offset = 0
        self._rows: list[Row] = []
        self._live: list[Row] | None = None

    def all(self) -> list[Row]:
        """Every complete row so far, in order; none without a file. A torn last line waits for its end.

        Raises:
            ValueError: a line is not JSON; names the file and the byte where it begins.
        """
        try:
            state = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            state = None
        if state is None or state.st_ino != self._inode or state.st_size < self._offset:
            self._inode, self._offset = (0 if state is None else state.st_ino), 0
            self._rows, self._live = [], None
        if state is not None and state.st_size > self._offset:
            self._read_on()
        return self._rows

    def live(self) -> list[Row]:
        """The rows in the lineage of the newest weights, by step (``rl.records.metrics.live_rows``)."""
        rows = self.all()
        if self._live is None:
            self._live = live_rows(rows)
        return self._live

    def _read_on(self) -> None:
        with self.path.open("rb") as file:
            file.seek(self._offset)
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]
        for line in whole.split(b"\n"):
            if line.strip():
                self._rows.append(self._parsed(line, whole))
        self._offset += len(whole)
        self._live = None

    def _parsed(self, line: bytes, whole: bytes) -> Row:
        try:
            row: Row = json.loads(line)
        except ValueError as error:
            where = self._offset + whole.find(line)
            raise ValueError(f"{self.path}: not a JSON row at byte {where} ({error})") from error
        return row
