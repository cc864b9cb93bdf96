"""One verifier process, seen from the pool: start it, ask it, notice that it hangs, died or grew, kill it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewards.processes.forker import Forker
from rewards.processes.wire import LENGTH, Progress, frame, prompt_to_wire, result_from_wire
from rollout.types import Failure, Prompt, RewardResult

PAGE = os.sysconf("SC_PAGESIZE")


class VerifierLost(Exception):
    """The process hung or died. ``index`` is the completion it was at, None if it was between completions."""

    def __init__(self, failure: Failure, index: int | None, verdicts: Sequence[RewardResult] = ()) -> None:
        super().__init__(failure, index)
        self.verdicts = verdicts
        """Verdicts on the first completions, which had come back before."""
        self.failure = failure
        """``TIMEOUT`` or ``CRASH``; its word is the reason in the sample's result."""
        self.index = index


class VerifierProcess:
    """A verifier that a template process forks. It belongs to the event loop and the thread that start it:
    the kernel kills it with them.

    Args:
        reward_name: For ``rewards.build_reward``, which runs in the process.
        reward_args: Its keyword arguments, JSON-able.
        forker: Where processes come from; shared by a pool.
        timeout_s: Wall seconds that one completion may take.
        start_timeout_s: Wall seconds that imports and the reward's constructor may take.
        memory_mib: Address space of the process, MiB; None = unbounded.
    """

    def __init__(
        self,
        reward_name: str,
        reward_args: Mapping[str, Any],
        *,
        forker: Forker,
        timeout_s: float,
        start_timeout_s: float,
        memory_mib: int | None,
    ) -> None:
        self._setup = {"name": reward_name, "args": dict(reward_args), "memory_mib": memory_mib}
        self._timeout_s, self._start_timeout_s = timeout_s, start_timeout_s
        self._forker = forker
        self._born: tuple[int, int] | None = None
        """(pid, template's pid) of a process that was not reaped yet."""
        self.pid: int | None = None
        """Pid of the newest process."""
        self.pure = True
        """Whether its reward says that equal questions get equal answers."""
        self.on_timeout = "wrong"
        """The reward's word for a completion that takes too long."""
        self.groups = 0
        """That the newest process has judged."""
        self._first_mib = 0.0
        self._progress: Progress | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def alive(self) -> bool:
        """True between a successful ``start`` and the loss or ``kill`` of the process, or its death if that
        was seen."""
        return self._writer is not None and self._reader is not None and not self._reader.at_eof()

    @property
    def grown_mib(self) -> float:
        """MiB that the process holds beyond what it held when its reward was built."""
        return resident_mib(self.pid) - self._first_mib if self.alive and self.pid is not None else 0.0

    async def start(self) -> None:
        """Start a fresh process and wait until its reward is built.

        Raises:
            ValueError: The reward cannot be built; the message is the constructor's.
            RuntimeError: The process died or did not come up in time.
        """
        await self.close()
        message = frame(self._setup)
        with contextlib.ExitStack() as undo:
            undo.callback(self.kill)
            try:
                async with asyncio.timeout(self._start_timeout_s):
                    await self._spawn()
                    answer = await self._exchange(message)
            except (TimeoutError, EOFError, ConnectionError) as error:
                late = isinstance(error, TimeoutError)
                what = f"did not come up in {self._start_timeout_s} s" if late else "died while starting"
                raise RuntimeError(
                    f"the verifier process of reward {self._setup['name']!r} {what}; see its output above"
                ) from error
            if "failed" in answer:
                raise ValueError(answer["failed"])
            undo.pop_all()
        self.pure, self.on_timeout = answer["pure"], answer["on_timeout"]
        self.groups, self._first_mib = 0, resident_mib(self.pid)

    async def judge(
        self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> list[RewardResult]:
        """[G] results, in order.

        Raises:
            VerifierLost: One completion took longer than ``timeout_s``, or the process died. It is killed
                then; ``start`` it again.
            TypeError: The prompt's metadata are not JSON-able.
        """
        assert self._progress is not None and self.alive
        message = frame(
            {
                "prompt": prompt_to_wire(prompt),
                "texts": list(texts),
                "truncated": [bool(t) for t in truncated],
            }
        )
        self._progress.mark(Progress.READING)
        received: list[Any] = []
        exchange = asyncio.ensure_future(self._collect(message, received, len(texts)))
        with contextlib.ExitStack() as undo:
            # Cancelled or lost: an answer still under way must not be taken for the next one's.
            undo.callback(self.kill)
            undo.callback(exchange.cancel)
            try:
                await self._watch(exchange, self._progress)
            except VerifierLost as lost:
                lost.verdicts = [result_from_wire(fields) for fields in received]
                raise
            undo.pop_all()
        self.groups += 1
        return [result_from_wire(fields) for fields in received]

    async def _watch(self, exchange: "asyncio.Future[None]", progress: Progress) -> None:
        """Until the answer is there, as long as every single completion stays within its time."""
        while True:
            index, began = progress.read()
            left = began + self._timeout_s - time.monotonic()
            if left <= 0:
                raise VerifierLost(Failure.TIMEOUT, index if index >= 0 else None)
            done, _ = await asyncio.wait({exchange}, timeout=left)
            if done:
                try:
                    return exchange.result()
                except (EOFError, ConnectionError) as error:
                    index, _ = progress.read()
                    raise VerifierLost(Failure.CRASH, index if index >= 0 else None) from error

    async def _exchange(self, message: bytes) -> Any:
        assert self._writer is not None
        self._writer.write(message)
        await self._writer.drain()
        return await self._read()

    async def _collect(self, message: bytes, received: list[Any], count: int) -> None:
        """Ask, and put verdicts into ``received`` as they come."""
        received += await self._exchange(message)
        while len(received) < count:
            received += await self._read()

    async def _read(self) -> Any:
        assert self._reader is not None
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
            self._born = await self._forker.fork((theirs.fileno(), shared))
            self.pid = self._born[0]
            undo.pop_all()
        self._reader, self._writer = await asyncio.open_connection(sock=ours)

    def kill(self) -> None:
        """SIGKILL the process and whatever it started; idempotent, does not wait."""
        if self._born is not None:
            # Not reaped yet, so the pid cannot have gone to anybody else.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._born[0], signal.SIGKILL)
        if self._writer is not None:
            self._writer.transport.abort()
            self._reader = self._writer = None

    async def close(self) -> None:
        """Kill and reap; idempotent."""
        self.kill()
        if self._born is not None:
            born, self._born = self._born, None
            await self._forker.reap(*born)


def resident_mib(pid: int | None) -> float:
    """Memory of a process, MiB, as the kernel counts it (pages shared with its template included); 0 if it is
    gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
