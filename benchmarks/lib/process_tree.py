"""Programs under measurement: run as children that do not outlive us, with the CPU time of their whole
process tree."""

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import psutil

PR_SET_PDEATHSIG = 1


class CpuClock:
    """Samples the CPU time of a process and all its descendants until it is closed.

    A process that ends keeps what it was last seen to have used, so at most one interval of a short-lived
    child is lost.

    Example::

        with CpuClock(child.pid) as clock:
            child.wait()
        clock.between(t0, t1)   # CPU seconds, for two times of time.time()
    """

    def __init__(self, pid: int, *, interval_s: float = 0.5) -> None:
        self._pid = pid
        self._interval_s = interval_s
        self._seen: dict[tuple[int, float], float] = {}
        self._times: list[float] = []
        self._totals: list[float] = []
        self._peaks: dict[tuple[int, float], tuple[str, float]] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cpu-clock", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def began(self) -> float:
        """When the first sample was taken, right after the start (``time.time()``)."""
        return self._times[0]

    def between(self, start: float, end: float) -> float:
        """CPU seconds used between two wall-clock times (``time.time()``), interpolated.

        Raises:
            ValueError: a time lies outside what was observed.
        """
        if not self._times or start < self._times[0] or end > self._times[-1] + 2 * self._interval_s:
            raise ValueError(f"the process tree was not observed from {start:.1f} to {end:.1f}")
        used = np.interp([start, end], self._times, self._totals)
        return float(used[1] - used[0])

    def peak_memory_mib(self, name: str) -> float | None:
        """Largest resident memory of a process whose name starts with ``name`` (15 characters at most, as the
        kernel keeps them); None if none was seen. What a process reached in its last interval may be
        missing."""
        return max((peak for process, peak in self._peaks.values() if process.startswith(name)), default=None)

    def _run(self) -> None:
        while not self._done.is_set():
            self._sample()
            self._done.wait(self._interval_s)
        self._sample()  # else what ends on a busy machine lies behind the last look

    def _sample(self) -> None:
        try:
            root = psutil.Process(self._pid)
            processes = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in processes:
            try:
                times, born, called = process.cpu_times(), process.create_time(), process.name()
                peak = _peak_memory_mib(process.pid)
            # it ended since we listed it
            except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
                continue
            self._seen[process.pid, born] = times.user + times.system
            if peak is not None:
                self._peaks[process.pid, born] = (called, peak)
        self._times.append(time.time())
        self._totals.append(sum(self._seen.values()))


def _peak_memory_mib(pid: int) -> float | None:
    """The kernel's own high-water mark of resident memory; None for a process that has given its memory
    back."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None


def run_logged(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    *,
    directory: Path | None = None,
) -> CpuClock:
    """Run a command to its end in ``directory``, its output in ``log``; returns its process tree's clock.

    If this process is interrupted or dies, the child gets a SIGTERM, so that it can stop its own children.

    Raises:
        RuntimeError: it failed; with the end of its log.
    """
    libc = ctypes.CDLL(None)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        child = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(environment or {}),
            cwd=directory,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
        )
        with CpuClock(child.pid) as clock:
            try:
                code = child.wait()
            finally:
                if child.poll() is None:
                    child.terminate()
                    child.wait(timeout=120)
    if code:
        raise RuntimeError(f"{' '.join(command)} failed ({code}):\n{log.read_text()[-3000:]}")
    return clock
