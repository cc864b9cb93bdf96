"""Figures of the machine that a run could exhaust: disk and memory, and how long they last at this pace."""

import shutil
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import psutil

EVERY_S = 5.0
"""Seconds between two looks; steps that are faster share one."""
LOOKS = 60
"""Looks over which the pace is measured: five minutes or more."""
FEWEST = 12
"""Looks without which a pace is a guess."""
GB = 1e9


def free_now(directory: Path) -> tuple[float, float, float]:
    """Bytes free on the disk of ``directory``, bytes of memory that can be had, and their share of all.

    Memory is the machine's, or the container's where that is less.
    """
    memory = psutil.virtual_memory()
    available, total = float(memory.available), float(memory.total)
    limit = _number(Path("/sys/fs/cgroup/memory.max"))
    used = _number(Path("/sys/fs/cgroup/memory.current"))
    if limit is not None and used is not None and limit < total:
        available, total = min(available, max(limit - used + _file_cache(), 0.0)), limit
    return float(shutil.disk_usage(directory).free), available, available / total


class Machine:
    """Looks at most every few seconds, and fits a straight line to what it saw."""

    def __init__(
        self,
        directory: Path,
        *,
        free: Callable[[Path], tuple[float, float, float]] = free_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory, self._free, self._clock = directory, free, clock
        self._looks: deque[tuple[float, float, float]] = deque(maxlen=LOOKS)
        self._figures: dict[str, float] = {}

    def metrics(self) -> dict[str, float]:
        """``system/...``; the seconds that are left only while something shrinks."""
        now = self._clock()
        if self._looks and now - self._looks[-1][0] < EVERY_S:
            return self._figures
        disk, memory, share = self._free(self._directory)
        self._looks.append((now, disk, memory))
        self._figures = {
            "system/disk_free_gb": disk / GB,
            "system/memory_free_gb": memory / GB,
            "system/memory_free_share": share,
        }
        for key, column in (("system/disk_left_s", 1), ("system/memory_left_s", 2)):
            left = self._left_s(column)
            if left is not None:
                self._figures[key] = left
        return self._figures

    def _left_s(self, column: int) -> float | None:
        if len(self._looks) < FEWEST:
            return None
        times = [look[0] for look in self._looks]
        values = [look[column] for look in self._looks]
        middle, mean = sum(times) / len(times), sum(values) / len(values)
        spread = sum((t - middle) ** 2 for t in times)
        slope = sum((t - middle) * (v - mean) for t, v in zip(times, values, strict=True)) / spread
        return values[-1] / -slope if slope < 0 else None


def _file_cache() -> float:
    """Bytes that the kernel counts as the container's and would give back at once."""
    try:
        lines = Path("/sys/fs/cgroup/memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return sum(float(value) for name, value in (line.split() for line in lines) if name == "inactive_file")


def _number(path: Path) -> float | None:
    """The number in a file of the kernel; None if there is no file, or no limit ('max')."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return float(text) if text.isdigit() else None
