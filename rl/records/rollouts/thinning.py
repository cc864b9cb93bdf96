"""Fewer rollouts, group by group: a sample of a step, and a folder that stays below a number of bytes."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rl.records.rollouts.files import RolloutFile, rollout_files
from rl.records.storage import write_whole

logger = logging.getLogger(__name__)

COUNT = b"t2rl.rollouts"
"""Key of a file's metadata: how many rollouts there were before any was left out."""
ROOM = 0.9
"""A folder over its bound is thinned to this share of it, so that not every step has to."""
_MIX = np.uint64(0x9E3779B97F4A7C15)


def with_count(table: pa.Table) -> pa.Table:
    """The table with the number of its rows in the metadata, for whoever reads what is left of it."""
    return table.replace_schema_metadata({COUNT: str(table.num_rows).encode()})


def some_groups(table: pa.Table, most: int) -> pa.Table:
    """At most ``most`` rows: whole groups, of which the first one may be cut; the rest of the table's order
    stays.

    Which groups depends on their ids alone, so evaluations of different versions keep the same problems.
    """
    if table.num_rows <= most:
        return table
    ids, of_row, counts = np.unique(table["group_id"].to_numpy(), return_inverse=True, return_counts=True)
    order = np.argsort(_mixed(ids), kind="stable")
    fitting = np.cumsum(counts[order]) <= most
    chosen = np.zeros(len(ids), dtype=bool)
    chosen[order[fitting] if fitting[0] else order[:1]] = True
    rows = np.flatnonzero(chosen[of_row])[:most]
    return table.take(pa.array(rows))


def _mixed(ids: np.ndarray) -> np.ndarray:
    """[n] uint64 that look random and depend on the ids alone (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = ids.astype(np.uint64) * _MIX
        mixed ^= mixed >> np.uint64(30)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        return mixed ^ (mixed >> np.uint64(27))


def encoded(table: pa.Table) -> memoryview:
    """The bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=3)
    return memoryview(sink.getvalue())


@dataclass(slots=True)
class _Kept:
    """One file, as thinning sees it."""

    file: RolloutFile
    size: int
    rows: int = -1
    """-1 until it is looked at."""
    whole: bool = False
    """True once it has one group left."""

    def counted(self) -> int:
        if self.rows < 0:
            self.rows = pq.read_metadata(self.file.path).num_rows
        return self.rows


class Folder:
    """A folder of rollout files that stays below ``max_bytes``."""

    def __init__(
        self, path: Path, *, max_bytes: int, keeps_first: bool = False, notice: Callable[[str], None]
    ) -> None:
        """Begin with what is there.

        Args:
            path: Made if it is missing.
            max_bytes: Bound on the files together. The newest file stays whole whatever its size.
            keeps_first: The first file stays whole too (an evaluation of the base).
            notice: Told once when thinning begins.
        """
        path.mkdir(parents=True, exist_ok=True)
        self.path, self._max_bytes, self._keeps_first = path, max_bytes, keeps_first
        self._notice = notice
        self._noticed = False
        self._kept: dict[tuple[int, int], _Kept] = {}
        """By number and attempt."""
        self.num_bytes = 0
        """All its files together; counted along, since there may be tens of thousands."""
        for file in rollout_files(path):
            self._add(_Kept(file, file.path.stat().st_size))

    def _add(self, kept: _Kept) -> None:
        self._kept[kept.file.number, kept.file.attempt] = kept
        self.num_bytes += kept.size

    def _remove(self, kept: _Kept) -> None:
        kept.file.path.unlink(missing_ok=True)
        del self._kept[kept.file.number, kept.file.attempt]
        self.num_bytes -= kept.size

    def put(self, file: RolloutFile, table: pa.Table) -> None:
        """Write one file, and thin others where the folder is over its bound."""
        content = encoded(table)
        write_whole(file.path, content)
        for attempt in range(file.attempt):  # an earlier attempt's evaluation has been done again
            if (before := self._kept.get((file.number, attempt))) is not None:
                self._remove(before)
        if (same := self._kept.get((file.number, file.attempt))) is not None:
            self.num_bytes -= same.size
        self._add(_Kept(file, len(content), table.num_rows))
        if self.num_bytes > self._max_bytes:
            self._thin()

    def _thin(self) -> None:
        """Halve the file whose rows times age are most, until there is room; where every old one is down to
        one group, remove the oldest."""
        if not self._noticed:
            self._notice(
                f"{self.path} has reached records.max_mib={self._max_bytes >> 20}: rollouts of the oldest"
                " steps are thinned from here on; raise it to keep more"
            )
            self._noticed = True
        ordered = sorted(self._kept.values(), key=lambda kept: kept.file.number)
        newest = ordered[-1].file.number
        old = ordered[1 if self._keeps_first else 0 : -1]
        while self.num_bytes > ROOM * self._max_bytes and old:
            divisible = [kept for kept in old if not kept.whole]
            if divisible:
                self._halve(max(divisible, key=lambda kept: kept.counted() * (newest - kept.file.number)))
                continue
            self._remove(old.pop(0))

    def _halve(self, kept: _Kept) -> None:
        table = pq.read_table(kept.file.path)
        groups = len(table["group_id"].unique())
        fewer = some_groups(table, max(table.num_rows // 2, 1)) if groups > 1 else table
        kept.whole = len(fewer["group_id"].unique()) <= 1
        if fewer.num_rows < table.num_rows:
            content = encoded(fewer)
            write_whole(kept.file.path, content)
            self.num_bytes += len(content) - kept.size
            kept.size = len(content)
        kept.rows = fewer.num_rows
