"""One verifier process, seen from the pool: start it, ask it, notice that it hangs or died, kill it."""

import asyncio
import contextlib
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

from rewards.wire import LENGTH, Progress, frame, prompt_to_wire, result_from_wire
from rollout.types import Prompt, RewardResult

REAP_TIMEOUT_S = 10.0


class VerifierLost(Exception):
    """The process hung or died. ``index`` is the completion it was at, None if it was between completions."""

    def __init__(self, reason: str, index: int | None) -> None:
        super().__init__(reason, index)
        self.reason = reason
        """``timeout`` or ``crash``, the reason in the sample's result."""
        self.index = index


class VerifierProcess:
    """A ``rewards.worker`` subprocess. It belongs to the event loop and the thread that start it: the kernel kills it with them.

    Args:
        reward_name: For ``rewards.build_reward``, which runs in the process.
        reward_args: Its keyword arguments, JSON-able.
        timeout_s: Wall seconds that one completion may take.
        start_timeout_s: Wall seconds that imports and the reward's constructor may take.
        memory_mib: Address space of the process, MiB; None = unbounded.
    """

    def __init__(
        self, reward_name: str, reward_args: Mapping[str, Any], *, timeout_s: float, start_timeout_s: float, memory_mib: int | None
    ) -> None:
        self._setup = {"name": reward_name, "args": dict(reward_args), "memory_mib": memory_mib}
        self._timeout_s, self._start_timeout_s = timeout_s, start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._progress: Progress | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def alive(self) -> bool:
        """True between a successful ``start`` and the loss or ``kill`` of the process."""
        return self._writer is not None

    @property
    def pid(self) -> int | None:
        """Of the newest process."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start a fresh process and wait until its reward is built.

        Raises:
            ValueError: The reward cannot be built; the message is the constructor's.
            RuntimeError: The process died or did not come up in time.
        """
        await self.close()
        message = frame(self._setup)
        await self._spawn()
        with contextlib.ExitStack() as undo:
            undo.callback(self.kill)
            try:
                answer = await asyncio.wait_for(self._exchange(message), self._start_timeout_s)
            except (TimeoutError, EOFError, ConnectionError) as error:
                late = isinstance(error, TimeoutError)
                what = f"did not come up in {self._start_timeout_s} s" if late else "died while starting"
                raise RuntimeError(
                    f"the verifier process of reward {self._setup['name']!r} {what}; see its output above"
                ) from error
            if "failed" in answer:
                raise ValueError(answer["failed"])
            undo.pop_all()

    async def judge(self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]) -> list[RewardResult]:
        """[G] results, in order.

        Raises:
            VerifierLost: One completion took longer than ``timeout_s``, or the process died. It is killed then; ``start`` it again.
            ValueError: The prompt's metadata are not JSON-able.
        """
        assert self._progress is not None and self.alive
        try:
            message = frame({"prompt": prompt_to_wire(prompt), "texts": list(texts), "truncated": [bool(t) for t in truncated]})
        except TypeError as error:
            raise ValueError(
                f"prompt {prompt.id}: its metadata cannot go to a verifier process: {error}; keep JSON types"
            ) from error
        self._progress.mark(Progress.READING)
        exchange = asyncio.ensure_future(self._exchange(message))
        with contextlib.ExitStack() as undo:
            # Cancelled or lost: an answer still under way must not be taken for the next one's.
            undo.callback(self.kill)
            undo.callback(exchange.cancel)
            answer = await self._watch(exchange, self._progress)
            undo.pop_all()
        return [result_from_wire(fields) for fields in answer]

    async def _watch(self, exchange: "asyncio.Future[Any]", progress: Progress) -> Any:
        """The answer, as long as every single completion stays within its time."""
        while True:
            index, began = progress.read()
            left = began + self._timeout_s - time.monotonic()
            if left <= 0:
                raise VerifierLost("timeout", index if index >= 0 else None)
            done, _ = await asyncio.wait({exchange}, timeout=left)
            if done:
                try:
                    return exchange.result()
                except (EOFError, ConnectionError) as error:
                    index, _ = progress.read()
                    raise VerifierLost("crash", index if index >= 0 else None) from error

    async def _exchange(self, message: bytes) -> Any:
        assert self._reader is not None and self._writer is not None
        self._writer.write(message)
        await self._writer.drain()
        head = await self._reader.readexactly(LENGTH.size)
        return json.loads(await self._reader.readexactly(LENGTH.unpack(head)[0]))

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        shared = os.memfd_create("verifier-progress")
        with contextlib.ExitStack() as undo, contextlib.ExitStack() as done:
            undo.callback(ours.close)
            done.callback(theirs.close)
            done.callback(os.close, shared)
            os.ftruncate(shared, Progress.SIZE)
            self._progress = Progress(shared)
            fds = (theirs.fileno(), shared)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "rewards.worker", *map(str, fds), str(os.getpid())],
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                stdout=2,  # stderr: a reward that prints spoils nobody's table
                start_new_session=True,  # Ctrl-C is for the parent, and a kill takes the verifier's own children along
                env=child_environment(),
            )
            undo.pop_all()
        self._reader, self._writer = await asyncio.open_connection(sock=ours)

    def kill(self) -> None:
        """SIGKILL the process and whatever it started; idempotent, does not wait."""
        if self._process is not None and self._process.returncode is None:
            # Not reaped yet, so the pid cannot have gone to anybody else.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._writer is not None:
            self._writer.transport.abort()
            self._reader = self._writer = None

    async def close(self) -> None:
        """Kill and reap; idempotent."""
        self.kill()
        deadline = time.monotonic() + REAP_TIMEOUT_S
        while self._process is not None and self._process.poll() is None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"verifier process {self._process.pid} is still there {REAP_TIMEOUT_S} s after SIGKILL")
            await asyncio.sleep(0.001)


def child_environment() -> dict[str, str]:
    """Ours, with this process's import path, one thread, and a fixed hash seed, so that verdicts do not depend on set order."""
    paths = [path or str(Path.cwd()) for path in sys.path]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"}
