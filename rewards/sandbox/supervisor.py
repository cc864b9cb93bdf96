"""The processes that own sandboxes: ``python -m rewards.sandbox.supervisor``, started by ``LocalSandbox``.

Two: the guard, and its child, the supervisor. The supervisor is process 1 of a pid namespace and lives in a
mount namespace, in which it keeps the scratch filesystems; the guard ends it when the process that started
them is gone. However the supervisor ends, the kernel then kills every sandbox, in whatever state of its start
it is, and frees their files, so nothing is left to sweep. A call arrives on the control socket as one end of
a socket pair; the request, the answer and, by its closing, the caller's death come through that.
"""

import fcntl
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from rewards.processes.wire import frame, read_frame
from rewards.sandbox import codec, kernel
from rewards.sandbox.base import SandboxError
from rewards.sandbox.cgroups import find_groups
from rewards.sandbox.runner import LINK, Runner

ROOT = Path("/dev/shm")
"""Mounted over; exists on every Linux, and nothing that a sandbox shows lives there."""
PARENT_CHECK_S = 0.5
END_TIMEOUT_S = 2.0


def main() -> None:
    """Serve until the control socket closes or the parent process is gone. Arguments: control descriptor,
    configuration as JSON, the parent's pid."""
    # Above the low numbers: one of them is the programs' link.
    control = socket.socket(fileno=fcntl.fcntl(int(sys.argv[1]), fcntl.F_DUPFD_CLOEXEC, LINK + 1))
    os.close(int(sys.argv[1]))
    # Stopped, the guard would not notice that its parent is gone, and stay for ever.
    kernel.signal_at_parents_death(signal.SIGCONT)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        kernel.enter_private_mounts(kernel.CLONE_NEWPID)
    except OSError as error:
        control.sendall(frame({"error": str(error)}))
        return
    guarded, guard = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(guard)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        kernel.signal_at_parents_death(signal.SIGKILL)
        if not select.select([guarded], [], [], 0)[0]:  # else the guard was gone before
            _supervise(control, json.loads(sys.argv[2]))
        os._exit(0)  # what still runs dies with this process
    control.close()
    _guard(child, parent=int(sys.argv[3]))


def _guard(child: int, *, parent: int) -> None:
    """Return when the supervisor has ended; end it when the parent is gone."""
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if os.getppid() != parent:
            os.kill(child, signal.SIGKILL)
        signal.sigtimedwait({signal.SIGCHLD}, PARENT_CHECK_S)


def _supervise(control: socket.socket, config: dict[str, Any]) -> None:
    """Serve until the control socket closes."""
    # The parent's /proc still: this number, and those of other supervisors' groups, mean something there.
    pid = int(Path("/proc/self").readlink().name)
    try:
        groups = find_groups(pid) if config.pop("cgroups") else None
        kernel.show_own_processes()
        shown = [Path(path) for path in config.pop("read_only")]
        runner = Runner(ROOT, **config, read_only=shown, groups=groups)
    except OSError as error:
        control.sendall(frame({"error": str(error)}))
        return
    control.sendall(frame({"error": "", "drops": runner.drops, "limits": runner.limits, "pid": pid}))
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not descriptors:
            break
        call = socket.socket(fileno=descriptors[0])
        threading.Thread(target=_serve, args=(runner, call), daemon=True).start()
    # The callers are gone too, so the calls are ending by themselves.
    deadline = time.monotonic() + END_TIMEOUT_S
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
    runner.close()


def _serve(runner: Runner, call: socket.socket) -> None:
    with call, call.makefile("rb") as stream:
        request = read_frame(stream)
        if request is None:
            return
        try:
            call.sendall(frame({"begun": True}))
        except OSError:
            return
        try:
            answer = _answer(runner, request, call)
        except (SandboxError, OSError, ValueError, RuntimeError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        try:
            call.sendall(frame(answer))
        except OSError:
            return  # nobody waits any more


def _answer(runner: Runner, request: dict[str, Any], call: socket.socket) -> dict[str, Any]:
    def alive() -> bool:
        try:
            return call.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True

    jobs = [codec.job_from_wire(wire) for wire in request["jobs"]]
    lists = [runner.run(jobs[0], alive)] if len(jobs) == 1 else runner.run_linked(jobs[0], jobs[1], alive)
    return {
        "error": "",
        "outcomes": [[codec.outcome_to_wire(outcome) for outcome in outcomes] for outcomes in lists],
    }


if __name__ == "__main__":
    main()
