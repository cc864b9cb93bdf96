"""A run under chaos as whoever supervises it sees it: started, started again with ``resume=auto`` whenever it
ends before its last step, and watched through the files that it writes."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from benchmarks.lib.process_tree import PR_SET_PDEATHSIG
from benchmarks.reliability.ground import members
from rl.records.jsonl import read_jsonl
from rl.records.metrics import read_metrics
from rl.records.rundir import RunDir

ROOT = Path(__file__).parents[2]
NAME = "chaos"
TEMPLATE = "rewards.processes.template"
SUPERVISOR = "rewards.sandbox.supervisor"
Says = Callable[[psutil.Process], bool]


def _titled(text: str) -> Says:
    return lambda process: text in " ".join(process.cmdline()) or text in process.name()


def _forked(process: psutil.Process) -> bool:
    parent = process.parent()
    return parent is not None and TEMPLATE in " ".join(parent.cmdline())


def _guarded(process: psutil.Process) -> bool:
    parent = process.parent()
    return parent is not None and SUPERVISOR in " ".join(parent.cmdline())


ROLES: dict[str, Says] = {
    "engine": _titled("ray::RolloutWorker"),
    "engine_core": _titled("EngineCore"),
    "learner": _titled("ray::LearnerActor"),
    "verifier": lambda process: _titled(TEMPLATE)(process) and _forked(process),
    "template": lambda process: _titled(TEMPLATE)(process) and not _forked(process),
    "sandbox": lambda process: _titled(SUPERVISOR)(process) and _guarded(process),
    "raylet": lambda process: process.name() == "raylet",
    "gcs": lambda process: process.name() == "gcs_server",
}
"""The processes of a run that faults are for; the controller is the job's own."""


class Job:
    """``t2rl train`` on one directory, over as many processes as it takes."""

    def __init__(
        self,
        parent: Path,
        *,
        config: str,
        overrides: Sequence[str],
        env: Mapping[str, str],
        namespace: str,
        logs: Path,
    ) -> None:
        self.run = RunDir(parent / NAME)
        self._command = [
            *(sys.executable, "-m", "rl.cli", "train", config, f"run.dir={parent}", f"run.name={NAME}"),
            *("resume=auto", *overrides),
        ]
        self._env, self._namespace, self._logs = dict(env), namespace, logs
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        """Begin, or go on from the newest whole checkpoint."""
        assert not self.alive
        self.starts += 1
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                self._command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self._env},
                cwd=ROOT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    @property
    def output(self) -> Path:
        """The newest process's words."""
        return self._logs / f"output-{self.starts:03d}.txt"

    @property
    def alive(self) -> bool:
        """Whether a process of the job runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def code(self) -> int | None:
        """Exit code of the newest process; None while it runs."""
        return None if self.process is None else self.process.poll()

    def signal(self, number: signal.Signals) -> None:
        """To the controller."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, timeout_s: float) -> bool:
        """Whether the newest process ended in time."""
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout_s)
        return not self.alive

    def pids(self, role: str) -> list[int]:
        """Live processes in a role, oldest first."""
        if role == "controller":
            return [self.process.pid] if self.process is not None and self.alive else []
        found = []
        for process in members(self._namespace):
            with contextlib.suppress(psutil.NoSuchProcess):
                if ROLES[role](process):
                    found.append((process.create_time(), process.pid))
        return [pid for _, pid in sorted(found)]

    def steps(self) -> int:
        """Steps in the lineage so far."""
        with contextlib.suppress(FileNotFoundError, OSError):
            return len(read_metrics(self.run.metrics))
        return 0

    def last_step(self) -> int:
        """Steps behind the newest row of the lineage; rows may be missing before it."""
        with contextlib.suppress(FileNotFoundError, OSError):
            rows = read_metrics(self.run.metrics)
            return 1 + max((row["step"] for row in rows), default=-1)
        return 0

    def attempts(self) -> int:
        """Starts of training so far, those inside a process included."""
        with contextlib.suppress(FileNotFoundError, OSError):
            return sum("restored_step" in row for row in read_jsonl(self.run.attempts))
        return 0

    def words(self, lines: int = 12) -> str:
        """The end of the newest process's output."""
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self.output.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Poll; False if time is up or the process ended first."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if not self.alive or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
