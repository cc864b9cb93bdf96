"""Read from /proc what a process tree uses right now."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20
# Fields of /proc/PID/stat, counted from the one after the command's name.
UTIME, CSTIME, THREADS, RESIDENT = 11, 14, 17, 21


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage of the descendants of a process and, for CPU time, of the process itself."""

    processes: int
    """Processes and threads, without the root."""
    cpu_s: float
    resident_mib: float
    """Pages shared between processes count once for each."""


def measure(root: int) -> tuple[Usage, list[int]]:
    """Usage of the tree below ``root``, and the pids in it. Zeros if the root is gone."""
    pids = descendants(root)
    threads, ticks, pages = 0, 0, 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = _stat(pid)
            ticks += sum(map(int, fields[UTIME : CSTIME + 1]))
            if pid != root:
                threads += int(fields[THREADS])
                pages += int(fields[RESIDENT])
    return Usage(threads, ticks / TICK, pages * PAGE / MIB), pids


def descendants(root: int) -> list[int]:
    """The root and all below it; orphans inside a pid namespace hang below its init, so none gets away."""
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    todo += map(int, (task / "children").read_text().split())
    return found


def proportional_mib(pids: list[int]) -> float:
    """Anonymous and shared memory of the processes with each page counted once, swap included; slower than
    ``measure``."""
    total_kib = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(("Pss_Anon:", "Pss_Shmem:", "SwapPss:")):
                    total_kib += int(line.split()[1])
    return total_kib / 1024


def _stat(pid: int) -> list[str]:
    text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    return text[text.rindex(")") + 2 :].split()
