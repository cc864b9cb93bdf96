"""Sandboxes on this machine, by bubblewrap."""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rewards.processes.forker import child_environment
from rewards.processes.wire import frame, read_frame
from rewards.sandbox import codec
from rewards.sandbox.base import Job, Outcome, SandboxError, Step
from rewards.sandbox.bubblewrap import bwrap_version, find_bwrap
from rewards.sandbox.seccomp import filter_program
from rewards.sandbox.view import toolchains

LEAST_BWRAP = (0, 8, 0)
"""The first with ``--disable-userns``."""
REFUSED = (
    "the kernel lets this process make no mount and no user namespace: run as root with CAP_SYS_ADMIN"
    " (Docker: --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined), or"
    " allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1,"
    " kernel.apparmor_restrict_unprivileged_userns=0), or use a remote sandbox, http://host:port"
)
CLOSE_TIMEOUT_S = 10.0
GONE = "the sandbox's supervisor died during the call"
log = logging.getLogger(__name__)


class LocalSandbox:
    """A :class:`~rewards.sandbox.base.Sandbox`: every step in namespaces of its own, under a uid of its own,
    with no network.

    Args:
        parallel: Calls that run at once; others wait. Default: the CPUs that this process may use.
        read_only: Further directories of the host to show, read-only, at their own paths. Toolchains that
            PATH names outside /usr (rustup's, /opt) are shown anyway.
        cgroups: Bound trees by control groups where the host gives them, beside the polling that is always
            there. A group costs a few milliseconds at every start.

    Raises:
        ValueError: A ``read_only`` path is no directory.
        SandboxError: bubblewrap is missing or too old, or the kernel refuses namespaces; says what to do.

    Example::

        with LocalSandbox() as sandbox:
            job = Job(files={"a.py": b"print(input())"}, steps=[Step(argv=("python3", "a.py"),
            stdin=b"hello")]) sandbox.run(job)[0].stdout   # b"hello\\n"
    """

    def __init__(
        self, *, parallel: int | None = None, read_only: Sequence[str | Path] = (), cgroups: bool = True
    ) -> None:
        bwrap = find_bwrap()
        version = bwrap_version(bwrap)
        if version < LEAST_BWRAP:
            raise SandboxError(f"{bwrap} is version {'.'.join(map(str, version))}; 0.8.0 or newer is needed")
        self._version = version
        has_seccomp = filter_program() is not None
        shown = [_directory(path) for path in read_only]
        self._config = {
            "bwrap": bwrap,
            "read_only": [*map(str, toolchains()), *shown],
            "secure_calls": has_seccomp,
            "cgroups": cgroups,
        }
        self._places = threading.BoundedSemaphore(parallel or len(os.sched_getaffinity(0)))
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._layers: dict[str, Any] = {}
        self._start()
        self._try_out()
        for line in self.missing():
            log.warning("sandbox: %s", line)

    def describe(self) -> str:
        """Which layers are in force, in a line."""
        calls = "system call filter" if self._config["secure_calls"] else "no system call filter"
        user = "own uids" if self._layers["drops"] else "the caller's uid, in a user namespace"
        return (
            f"bubblewrap {'.'.join(map(str, self._version))}, {calls}, {user}, limits by"
            f" {self._layers['limits']}"
        )

    def missing(self) -> list[str]:
        """Layers that this host does not give, each with what to do."""
        lines = []
        if not self._config["secure_calls"]:
            lines.append(
                "no system call filter, because libseccomp is missing (Debian: apt-get install libseccomp2)"
            )
        return lines

    def _start(self) -> None:
        if self._process is not None:  # of a supervisor that died: else it stays a zombie
            self._process.kill()
            self._process.wait()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "rewards.sandbox.supervisor",
                    str(theirs.fileno()),
                    json.dumps(self._config),
                    str(os.getpid()),
                ],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env=child_environment(),
                start_new_session=True,
            )
        with ours.makefile("rb") as stream:
            greeting = read_frame(stream)
        if greeting is None or greeting["error"]:
            self._process.wait()
            ours.close()
            raise SandboxError(f"{REFUSED}. It said: {greeting['error'] if greeting else 'nothing'}")
        self._control, self._layers = ours, greeting

    def _try_out(self) -> None:
        try:
            [outcome] = self.run(Job(files={}, steps=[Step(argv=("true",))]))
        except SandboxError as error:
            self.close()
            raise SandboxError(f"{REFUSED}. It said: {error}") from error
        if not outcome.ok:
            self.close()
            raise SandboxError(f"cannot run even `true` in a sandbox: {outcome}")

    def run(self, job: Job) -> list[Outcome]:
        """See :class:`~rewards.sandbox.base.Sandbox`."""
        return self._call([job])[0]

    def run_linked(self, tested: Job, tester: Job) -> tuple[list[Outcome], list[Outcome]]:
        """See :class:`~rewards.sandbox.base.Sandbox`."""
        of_tested, of_tester = self._call([tested, tester])
        return of_tested, of_tester

    def _call(self, jobs: list[Job]) -> list[list[Outcome]]:
        request = frame({"jobs": [codec.job_to_wire(job) for job in jobs]})
        with self._places:
            answer = self._exchange(request)
        if answer["error"]:
            raise SandboxError(answer["error"])
        return [[codec.outcome_from_wire(wire) for wire in outcomes] for outcomes in answer["outcomes"]]

    def _exchange(self, request: bytes) -> Any:
        try:
            return self._attempt(request)
        except _NotBegun:
            return self._attempt(request)  # nothing ran, so another supervisor may have it

    def _attempt(self, request: bytes) -> Any:
        ours, theirs = socket.socketpair()
        with ours, ours.makefile("rb") as stream:
            with theirs, self._lock:
                self._send(theirs)
            begun = None
            try:
                ours.sendall(request)
                begun = read_frame(stream)
                answer = read_frame(stream) if begun else None
            except OSError as error:
                raise (SandboxError if begun else _NotBegun)(f"{GONE}: {error}") from error
        if answer is None:
            raise (SandboxError if begun else _NotBegun)(GONE)
        return answer

    def _send(self, call: socket.socket) -> None:
        """Hand a call to the supervisor; if that was killed since the last call, to a new one."""
        if self._control is None:
            raise SandboxError("the sandbox is closed")
        try:
            socket.send_fds(self._control, [b"c"], [call.fileno()])
        except OSError:
            log.warning("sandbox: the supervisor is gone; starting another")
            self._control.close()
            self._start()
            socket.send_fds(self._control, [b"c"], [call.fileno()])

    @property
    def supervisor_pid(self) -> int:
        """For drills."""
        return int(self._layers["pid"])

    def close(self) -> None:
        """End the supervisor, and with it every sandbox at work; idempotent."""
        with self._lock:
            if self._control is None or self._process is None:
                return
            self._control.close()
            self._control = None
            try:
                self._process.wait(CLOSE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _NotBegun(SandboxError):
    """The supervisor died before it took the call."""


def _directory(path: str | Path) -> str:
    resolved = Path(path).resolve()
    if not resolved.is_dir():
        raise ValueError(f"sandbox.read_only: {path} is no directory")
    return str(resolved)
