"""Spans and counters in Chrome's trace-event format, for ui.perfetto.dev or chrome://tracing.

The file is a complete JSON array after every flush: each flush overwrites the closing bracket with the new
events and a new bracket in one ``pwrite``, so a killed run leaves a trace that opens. A resumed run appends
to it.
"""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rl.records.jsonl import plain

FLUSH_EVENTS = 64
FLUSH_S = 2.0


class TraceWriter:
    """Thread-safe. Times are seconds since the epoch, so that spans of several processes and attempts line
    up."""

    def __init__(self, path: Path, *, process: str = "t2rl") -> None:
        """Create ``path``, or go on where the last attempt stopped."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._lock = threading.Lock()
        self._pending: list[str] = []
        self._flushed_at = time.monotonic()
        self._lanes: dict[str, list[float]] = {}
        self._tids: dict[str, int] = {}
        self._pid = os.getpid()
        self._end = self._find_end()
        self._event({"ph": "M", "name": "process_name", "tid": 0, "args": {"name": process}})
        self.flush()

    def _find_end(self) -> int:
        """Offset of the closing bracket; a fresh or unreadable file starts an empty array."""
        assert self._fd is not None
        content = os.pread(self._fd, os.fstat(self._fd).st_size, 0).rstrip()
        if content.startswith(b"[") and content.endswith(b"]"):
            return len(content) - 1
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, b"[\n]", 0)
        return 2

    @contextmanager
    def span(self, track: str, name: str, **args: Any) -> Iterator[None]:
        """A span around a block; spans of one track may nest. It is written when the block ends, also by an
        exception."""
        start_s = time.time()
        try:
            yield
        finally:
            self._span(track, name, start_s, time.time(), args)

    def complete(self, track: str, name: str, start_s: float, end_s: float, **args: Any) -> None:
        """A span known afterwards. Spans that overlap on a track are spread over lanes: ``groups``, ``groups
        #2``, ..."""
        with self._lock:
            ends = self._lanes.setdefault(track, [])
            lane = next((i for i, end in enumerate(ends) if start_s >= end), len(ends))
            ends[lane : lane + 1] = [end_s]
        self._span(track if lane == 0 else f"{track} #{lane + 1}", name, start_s, end_s, args)

    def counter(self, name: str, value: float, *, time_s: float | None = None) -> None:
        """One point of a counter curve, now unless told."""
        at = time.time() if time_s is None else time_s
        self._event({"ph": "C", "name": name, "ts": at * 1e6, "tid": 0, "args": {"value": value}})

    def instant(self, track: str, name: str, **args: Any) -> None:
        """A mark on a track: a restart, a re-issue, a checkpoint."""
        self._event(
            {
                "ph": "i",
                "s": "t",
                "name": name,
                "ts": time.time() * 1e6,
                "tid": self._tid(track),
                "args": args,
            }
        )

    def _span(self, track: str, name: str, start_s: float, end_s: float, args: dict[str, Any]) -> None:
        duration = max(0.0, end_s - start_s) * 1e6
        self._event(
            {
                "ph": "X",
                "name": name,
                "ts": start_s * 1e6,
                "dur": duration,
                "tid": self._tid(track),
                "args": args,
            }
        )

    def _tid(self, track: str) -> int:
        with self._lock:
            known = self._tids.get(track)
            tid = self._tids.setdefault(track, len(self._tids) + 1)
        if known is None:
            self._event({"ph": "M", "name": "thread_name", "tid": tid, "args": {"name": track}})
        return tid

    def _event(self, event: dict[str, Any]) -> None:
        text = json.dumps(plain({"pid": self._pid, **event}), separators=(",", ":"))
        with self._lock:
            if self._fd is None:
                return
            self._pending.append(text)
            due = len(self._pending) >= FLUSH_EVENTS or time.monotonic() - self._flushed_at > FLUSH_S
        if due:
            self.flush()

    def flush(self) -> None:
        """Write what is pending; the file is valid JSON before and after."""
        with self._lock:
            if self._fd is None or not self._pending:
                return
            first = self._end == 2
            text = ("" if first else ",\n") + ",\n".join(self._pending)
            body = text.encode()
            self._put(body)
            self._end += len(body)
            self._pending.clear()
            self._flushed_at = time.monotonic()

    def _put(self, body: bytes) -> None:
        """Overwrite the closing bracket; on a full disk put it back, so that the events of before can still
        be read."""
        assert self._fd is not None
        content, at = body + b"\n]", self._end
        try:
            while content:
                written = os.pwrite(self._fd, content, at)
                content, at = content[written:], at + written
        except OSError:
            os.ftruncate(self._fd, self._end)
            os.pwrite(self._fd, b"\n]", self._end)
            raise

    def close(self) -> None:
        """Flush and close; idempotent. Events after it are dropped."""
        self.flush()
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
