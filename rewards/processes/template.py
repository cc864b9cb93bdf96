"""The template process: ``python -m rewards.processes.template``. It imports what a reward needs once, then
forks a verifier whenever asked.

Forked, a verifier is ready in milliseconds; started afresh, it would import sympy and its like again after
every hang, on the cores that other verifiers need. Only imports are shared: the reward itself is built in the
fork, where it may start threads and processes.
"""

import contextlib
import gc
import json
import logging
import os
import socket
import sys
from pathlib import Path

from rewards.processes.worker import die_with_parent, run_verifier
from rewards.user_functions.foreign import attempt
from rollout.collector import collector_off
from rollout.user_code import load_module

ORDER_LIMIT = 4096
"""Bytes of one order."""


def load(modules: list[str]) -> None:
    """Import, and let each module do what it does best once (``preload()``); the verifier imports again what
    fails, and says so."""
    for name in modules:
        _, error = attempt(_load, name)
        if error:
            logging.getLogger(__name__).debug("%s is left for the verifier to import", name, exc_info=error)


def _load(name: str) -> None:
    module = load_module(name)
    getattr(module, "preload", lambda: None)()


def has_threads() -> bool:
    """A fork takes along one thread and the locks of all."""
    return len(list(Path("/proc/self/task").iterdir())) > 1


def serve(control: socket.socket) -> tuple[int, int] | None:
    """Do what the pool orders until it hangs up; returns the two descriptors in a forked verifier, None in
    the template.

    Orders are ``{id, do: fork}`` with the verifier's two descriptors, answered by ``{id, pid}``, and ``{id,
    do: reap, pid}``. A dead verifier is reaped on order only: till then its pid is nobody else's, and the
    pool may send signals to it.
    """
    while True:
        message, fds, _, _ = socket.recv_fds(control, ORDER_LIMIT, 2)
        if not message:
            return None
        order = json.loads(message)
        if order["do"] == "fork":
            pid = os.fork()
            if pid == 0:
                control.close()
                os.setpgid(0, 0)
                return fds[0], fds[1]
            # both do it, so that it is done when either goes on
            with contextlib.suppress(PermissionError, ProcessLookupError):
                os.setpgid(pid, pid)
            for fd in fds:
                os.close(fd)
        else:
            pid = order["pid"]
            os.waitpid(pid, 0)
        control.send(json.dumps({"id": order["id"], "pid": pid}).encode())


def main() -> None:
    """Entry point; arguments: control socket, parent's pid, modules to import."""
    control_fd, parent_pid, modules = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    die_with_parent(parent_pid)
    with collector_off():
        load(modules)
    if has_threads():
        # Some import started them: begin again without imports, which every verifier then makes for itself.
        os.execv(
            sys.executable,
            [sys.executable, "-P", "-m", "rewards.processes.template", str(control_fd), str(parent_pid)],
        )
    os.set_inheritable(control_fd, False)
    gc.collect()
    gc.freeze()  # or each fork's collector would touch, and so copy, every page
    template_pid = os.getpid()
    with socket.socket(fileno=control_fd) as control:
        forked = serve(control)
    if forked is not None:
        die_with_parent(template_pid)
        run_verifier(*forked)


if __name__ == "__main__":
    main()
