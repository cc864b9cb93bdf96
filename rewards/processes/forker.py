"""The template process, seen from the pool: start it, have it fork and reap, end it with all that it
forked."""

import asyncio
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewards.processes.alive import is_alive

REAP_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 3.0
"""For what takes the template milliseconds; one that is stopped would hold up every verdict."""


class Forker:
    """Forks verifiers off one template process, which is started when first needed, and again if it dies
    (they die with it).

    It belongs to the event loop and the thread that first use it: the kernel kills the template with them.

    Args:
        modules: What the template imports.
        start_timeout_s: Wall seconds that this may take.
    """

    def __init__(self, modules: Sequence[str], *, start_timeout_s: float) -> None:
        self._modules, self._start_timeout_s = list(modules), start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lock = asyncio.Lock()
        self._ids = itertools.count()

    @property
    def pid(self) -> int | None:
        """Return the pid of the newest template."""
        return self._process.pid if self._process else None

    async def fork(self, fds: tuple[int, int]) -> tuple[int, int]:
        """(pid, template's pid) of a new verifier, which gets copies of the two descriptors.

        Raises:
            EOFError, ConnectionError, TimeoutError: The template died or did not come up in time.
        """
        async with self._lock:
            if self._process is None or self._process.poll() is not None or self._control is None:
                await self._close()
                self._start()
            try:
                return await self._order({"do": "fork"}, fds, self._start_timeout_s), self.pid or 0
            except (EOFError, ConnectionError, TimeoutError):
                await self._close()
                raise

    async def reap(self, pid: int, template_pid: int) -> None:
        """Wait until a killed verifier is gone; if its template is gone, the system has seen to it. A
        template that does not answer is killed, and with it all verifiers that it forked.

        Raises:
            RuntimeError: It is still there ``REAP_TIMEOUT_S`` after it was killed.
        """
        async with self._lock:
            if template_pid != self.pid or self._control is None:
                return
            if not await _ends(pid):
                raise RuntimeError(f"verifier process {pid} is still there {REAP_TIMEOUT_S} s after SIGKILL")
            try:
                await self._order({"do": "reap", "pid": pid}, (), ANSWER_TIMEOUT_S)
            except (EOFError, ConnectionError, TimeoutError):
                await self._close()

    async def _order(self, order: Mapping[str, Any], fds: Sequence[int], timeout_s: float) -> int:
        assert self._control is not None
        number = next(self._ids)
        socket.send_fds(self._control, [json.dumps({"id": number, **order}).encode()], list(fds))
        async with asyncio.timeout(timeout_s):
            while True:
                message = await asyncio.get_running_loop().sock_recv(self._control, 4096)
                if not message:
                    raise EOFError("the template process hung up")
                answer = json.loads(message)
                # else whoever asked was cancelled; a verifier that nobody fetched reads EOF and ends
                if answer["id"] == number:
                    return int(answer["pid"])

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "rewards.processes.template",
                    str(theirs.fileno()),
                    str(os.getpid()),
                    *self._modules,
                ],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=2,  # stderr: a reward that prints spoils nobody's table
                start_new_session=True,  # Ctrl-C is for the parent
                env=child_environment(),
            )
        self._control = ours

    async def close(self) -> None:
        """Kill the template, and with it all that it forked; idempotent."""
        async with self._lock:
            await self._close()

    async def _close(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + REAP_TIMEOUT_S
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"the verifiers' template process {self.pid} is still there {REAP_TIMEOUT_S} s after"
                    " SIGKILL"
                )
            await asyncio.sleep(0.001)


async def _ends(pid: int) -> bool:
    """Whether the process is dead within ``REAP_TIMEOUT_S``, reaped or not."""
    deadline = time.monotonic() + REAP_TIMEOUT_S
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.001)
    return True


def child_environment() -> dict[str, str]:
    """Ours, with this process's import path, one thread, and a fixed hash seed, so that verdicts do not
    depend on set order."""
    paths = [path or str(Path.cwd()) for path in sys.path]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"}
