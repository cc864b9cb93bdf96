"""Watch one running sandbox: feed it, read it, hold it to its limits, and see it dead."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from pathlib import Path

from rewards.sandbox import tree
from rewards.sandbox.base import Limits, Outcome, SandboxError, Stop
from rewards.sandbox.cgroups import Group

POLL_S = 0.01
CHUNK = 1 << 16
DEATH_TIMEOUT_S = 10.0
START_TIMEOUT_S = 10.0


@dataclass(slots=True, kw_only=True)
class Pipes:
    """The supervisor's ends."""

    stdin: int
    stdout: int
    stderr: int
    status: int
    """Where bubblewrap reports the pid of the sandbox's init, and its exit code."""
    release: int
    """A byte written here lets the program start."""


@dataclass(slots=True)
class Watch:
    """One run of ``bwrap``.

    Args:
        process: bubblewrap, started and waiting for its release.
        pipes: All closed by ``run``.
        limits: Of this step.
        stdin: Bytes for the program.
        group: The control group for its tree, where the host gives one.
        disk_full: Whether it has written too much.
        stop_asked: Whether somebody wants it dead: the caller is gone, or its tester has ended.
    """

    process: subprocess.Popen[bytes]
    pipes: Pipes
    limits: Limits
    stdin: bytes
    group: Group | None
    disk_full: Callable[[], bool]
    stop_asked: Callable[[], bool]
    _stop: Stop | None = None
    _init: int = 0
    _init_fd: int = -1
    _report: bytes = b""
    _texts: dict[int, bytearray] = field(default_factory=dict)
    _peak_mib: float = 0.0
    _cpu_s: float = 0.0

    def run(self) -> Outcome:
        """Until the whole tree is dead.

        Raises:
            SandboxError: bubblewrap could not set the sandbox up.
        """
        self._texts = {fd: bytearray() for fd in (self.pipes.stdout, self.pipes.stderr)}
        try:
            self._find_init()
            began = time.monotonic()
            with contextlib.suppress(BrokenPipeError):  # bubblewrap has failed; its exit code is missing then
                os.write(self.pipes.release, b"x")
            self._serve(began)
            wall_s = time.monotonic() - began
            self._kill_and_reap()
            self._drain()
        finally:
            self._kill()
            self.process.wait()
            for fd in (*astuple(self.pipes), self._init_fd):
                if fd >= 0:
                    os.close(fd)
        return self._outcome(wall_s)

    def _find_init(self) -> None:
        """bubblewrap's first report; without it there is no sandbox."""
        deadline = time.monotonic() + START_TIMEOUT_S
        with selectors.DefaultSelector() as selector:
            selector.register(self.pipes.status, selectors.EVENT_READ)
            while b"\n" not in self._report and selector.select(max(0.0, deadline - time.monotonic())):
                text = os.read(self.pipes.status, CHUNK)
                if not text:
                    break
                self._report += text
        if b"\n" not in self._report:
            self._kill()
            self.process.wait()
            raise SandboxError(
                "bubblewrap did not start:"
                f" {os.read(self.pipes.stderr, CHUNK).decode(errors='replace').strip()}"
            )
        self._init = json.loads(self._report.splitlines()[0])["child-pid"]
        # it failed at once; what follows says why
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            self._init_fd = os.pidfd_open(self._init)
            # If the machine runs out of memory, this tree goes first.
            with contextlib.suppress(PermissionError):
                Path(f"/proc/{self._init}/oom_score_adj").write_text("1000")
            if self.group is not None:
                self.group.add(self._init)

    def _serve(self, began: float) -> None:
        """Pipes and limits, until bubblewrap ends or has to."""
        os.set_blocking(self.pipes.stdin, False)
        with selectors.DefaultSelector() as selector, os.fdopen(os.pidfd_open(self.process.pid)) as ended:
            for fd in (ended.fileno(), *self._texts):
                selector.register(fd, selectors.EVENT_READ)
            selector.register(self.pipes.stdin, selectors.EVENT_WRITE)
            pending = memoryview(self.stdin)
            next_poll = began + POLL_S
            while self._stop is None:
                ready = {key.fd for key, _ in selector.select(max(0.0, next_poll - time.monotonic()))}
                if self.pipes.stdin in ready:
                    pending = self._feed(pending, selector)
                for fd in ready & set(self._texts):
                    self._read(fd, selector)
                if ended.fileno() in ready:
                    break
                if time.monotonic() >= next_poll:
                    self._check(time.monotonic() - began)
                    next_poll = time.monotonic() + POLL_S

    def _feed(self, pending: memoryview, selector: selectors.BaseSelector) -> memoryview:
        written = 0
        try:
            written = os.write(self.pipes.stdin, pending[:CHUNK])
        except BlockingIOError:
            return pending
        except BrokenPipeError:
            written = len(pending)
        if written == len(pending):
            selector.unregister(self.pipes.stdin)
            os.close(self.pipes.stdin)
            self.pipes.stdin = -1
        return pending[written:]

    def _read(self, fd: int, selector: selectors.BaseSelector | None = None) -> bool:
        """Take what is there; False at the end of the stream or of what is allowed."""
        text = os.read(fd, CHUNK)
        room = self.limits.output_kib * 1024 - len(self._texts[fd])
        self._texts[fd] += text[:room]
        if len(text) > room:
            self._stop = self._stop or Stop.OUTPUT
        if not text and selector is not None:
            selector.unregister(fd)
        return bool(text) and len(text) <= room

    def _check(self, wall_s: float) -> None:
        """Hold the tree to its limits."""
        usage, pids = tree.measure(self._init)
        self._cpu_s = max(self._cpu_s, usage.cpu_s, self.group.cpu_s() if self.group else 0.0)
        memory = usage.resident_mib
        if memory > self.limits.memory_mib:
            memory = tree.proportional_mib(pids)
        self._peak_mib = max(self._peak_mib, memory)
        exceeded = {
            Stop.WALL: wall_s > self.limits.wall_s,
            Stop.CPU: self._cpu_s > self.limits.cpu_s,
            Stop.MEMORY: memory > self.limits.memory_mib or self._out_of_memory(),
            Stop.PROCESSES: usage.processes > self.limits.processes,
            Stop.DISK: self.disk_full(),
            Stop.EXIT: self.stop_asked(),
        }
        # A pipe may have been found over its limit since the last look; that stands.
        self._stop = self._stop or next((stop for stop, over in exceeded.items() if over), None)

    def _kill_and_reap(self) -> None:
        """Kill what is left and wait until it is dead, init last: the kernel ends a pid namespace with its
        init."""
        self._kill()
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        # bubblewrap's peak is that of the supervisor, from which it was forked
        cpu_s, peak = used.ru_utime + used.ru_stime, 0
        if self._init_fd >= 0:
            cpu, peak = self._await_init()
            cpu_s += cpu
        self._cpu_s = max(self._cpu_s, cpu_s)
        self._peak_mib = max(self._peak_mib, peak / 1024)
        if self._stop is None and self._out_of_memory():
            self._stop = Stop.MEMORY
        if self._stop is None and self.disk_full():
            self._stop = Stop.DISK

    def _out_of_memory(self) -> bool:
        return self.group is not None and self.group.out_of_memory()

    def _await_init(self) -> tuple[float, int]:
        """CPU seconds and largest resident KiB below init, once all below it is dead."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._init_fd, selectors.EVENT_READ)
            if not selector.select(DEATH_TIMEOUT_S):
                raise SandboxError(
                    f"sandbox process {self._init} is still there {DEATH_TIMEOUT_S:g} s after SIGKILL"
                )
        try:
            _, _, used = os.wait4(self._init, 0)
        except ChildProcessError:  # bubblewrap waited for it
            return 0.0, 0
        return used.ru_utime + used.ru_stime, used.ru_maxrss

    def _kill(self) -> None:
        if self._init_fd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._init_fd, signal.SIGKILL)
        if self.process.returncode is None:  # not waited for, so the pid is still its own
            os.kill(self.process.pid, signal.SIGKILL)

    def _drain(self) -> None:
        """Return what the pipes still hold; all writers are dead."""
        for fd in self._texts:
            while self._read(fd):
                pass
        os.set_blocking(self.pipes.status, True)
        while text := os.read(self.pipes.status, CHUNK):
            self._report += text

    def _outcome(self, wall_s: float) -> Outcome:
        code = self._exit_code()
        stop = self._stop or {-signal.SIGXCPU: Stop.CPU, -signal.SIGXFSZ: Stop.DISK}.get(code, Stop.EXIT)
        return Outcome(
            stop=stop,
            exit_code=code,
            stdout=bytes(self._texts[self.pipes.stdout]),
            stderr=bytes(self._texts[self.pipes.stderr]),
            wall_s=wall_s,
            cpu_s=self._cpu_s,
            peak_mib=self._peak_mib,
        )

    def _exit_code(self) -> int:
        """bubblewrap says 128 + signal, as a shell does."""
        if self._stop is not None:
            return -signal.SIGKILL
        codes = [json.loads(line).get("exit-code") for line in self._report.splitlines()[1:]]
        if not codes:
            text = bytes(self._texts[self.pipes.stderr]).decode(errors="replace").strip()
            raise SandboxError(f"bubblewrap failed with {self.process.returncode}: {text}")
        return 128 - codes[0] if 128 < codes[0] < 128 + signal.NSIG else codes[0]
