"""Programs as plain child processes: for a host that is itself a throw-away, such as a container with nothing
in it."""

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rewards.sandbox import tree
from rewards.sandbox.base import Job, Limits, Outcome, Step, Stop
from rewards.sandbox.bubblewrap import ENVIRONMENT, prlimit_options
from rewards.sandbox.files import copy_tree, read_named, write_files
from rewards.sandbox.jobs import Alive, run_linked, run_steps

POLL_S = 0.01
WARNING = (
    "sandbox=unsafe_subprocess: programs that the model wrote run as this user, with its files and its"
    " network; only time, memory, process count and output are bounded, and a program can leave those bounds"
)
AS_THREE = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.execvp(sys.argv[2], sys.argv[2:])"
"""Gives a program its link as descriptor 3."""
log = logging.getLogger(__name__)


class UnsafeSubprocess:
    """A :class:`~rewards.sandbox.base.Sandbox` in shape only: no isolation, and limits that a hostile program
    can leave."""

    def __init__(self) -> None:
        log.warning(WARNING)

    def run(self, job: Job) -> list[Outcome]:
        """See :class:`~rewards.sandbox.base.Sandbox`."""
        with _place(job) as place:
            return run_steps(job, place, _somebody_waits)

    def run_linked(self, tested: Job, tester: Job) -> tuple[list[Outcome], list[Outcome]]:
        """See :class:`~rewards.sandbox.base.Sandbox`."""
        with _place(tested) as of_tested, _place(tester) as of_tester:
            return run_linked(tested, tester, (of_tested, of_tester), _somebody_waits)

    def close(self) -> None:
        """Return: nothing outlives its call."""


def _somebody_waits() -> bool:
    return True


@contextlib.contextmanager
def _place(job: Job) -> Iterator["_Place"]:
    with tempfile.TemporaryDirectory(prefix="t2rl-unsafe-", ignore_cleanup_errors=True) as box:
        write_files(Path(box), job.files, os.getuid())
        yield _Place(Path(box))


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory of the host."""

    box: Path

    def execute(self, step: Step, alive: Alive, *, last: bool, link: socket.socket | None = None) -> Outcome:
        if last or step.keeps_changes:
            return _execute(step, self.box, alive, link)
        with tempfile.TemporaryDirectory(prefix="t2rl-unsafe-", ignore_cleanup_errors=True) as copy:
            copy_tree(self.box, Path(copy), os.getuid())
            return _execute(step, Path(copy), alive, link)


def _execute(step: Step, box: Path, alive: Alive, link: socket.socket | None) -> Outcome:
    # Files, not pipes: their size is bounded by polling, and nobody has to read along.
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        stdin.write(step.stdin)
        stdin.seek(0)
        fd = link.fileno() if link is not None else -1
        as_three = [sys.executable, "-I", "-S", "-c", AS_THREE, str(fd)] if link is not None else []
        began = time.monotonic()
        process = subprocess.Popen(
            ["prlimit", *prlimit_options(step), "--", *as_three, *step.argv],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=box,
            env={**ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath), **step.env},
            pass_fds=(fd,) if link is not None else (),
            start_new_session=True,
        )
        if link is not None:
            link.close()
        stop, usage = _watch(process.pid, step.limits, began, alive, (stdout, stderr))
        wall_s = time.monotonic() - began
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return Outcome(
            stop=stop,
            exit_code=process.returncode,
            stdout=_text(stdout, step.limits),
            stderr=_text(stderr, step.limits),
            wall_s=wall_s,
            cpu_s=max(usage.cpu_s, used.ru_utime + used.ru_stime),
            peak_mib=max(usage.resident_mib, used.ru_maxrss / 1024),
            files=read_named(box, step.collect),
        )


def _watch(
    pid: int, limits: Limits, began: float, alive: Alive, outputs: tuple[IO[bytes], IO[bytes]]
) -> tuple[Stop, tree.Usage]:
    """Until the process ends or must; with the last usage seen."""
    usage = tree.Usage(0, 0.0, 0.0)
    ended = os.pidfd_open(pid)
    try:
        while not select.select([ended], [], [], POLL_S)[0]:
            usage = tree.measure(pid)[0]
            exceeded = {
                Stop.WALL: time.monotonic() - began > limits.wall_s,
                Stop.CPU: usage.cpu_s > limits.cpu_s,
                Stop.MEMORY: usage.resident_mib > limits.memory_mib,
                Stop.PROCESSES: usage.processes >= limits.processes,
                Stop.OUTPUT: any(
                    os.fstat(output.fileno()).st_size > limits.output_kib * 1024 for output in outputs
                ),
                Stop.EXIT: not alive(),
            }
            for stop, over in exceeded.items():
                if over:
                    return stop, usage
    finally:
        os.close(ended)
    over = any(os.fstat(output.fileno()).st_size > limits.output_kib * 1024 for output in outputs)
    return Stop.OUTPUT if over else Stop.EXIT, usage


def _text(output: IO[bytes], limits: Limits) -> bytes:
    output.seek(0)
    return output.read(limits.output_kib * 1024)
