"""Verifiers in killable processes: one that hangs or dies costs its own sample and nothing else."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rewards.process import VerifierLost, VerifierProcess
from rollout.types import Prompt, RewardResult


class VerifierPool:
    """Scores whole groups; a :class:`~rollout.types.GroupScorer`.

    One message per group. If the process hangs or dies at completion i, that sample gets 0 with the reason, the process is killed
    and replaced, and the other completions are judged again: rewards are pure, so the second verdict is the first one.

    Args:
        reward_name: For ``rewards.build_reward``.
        reward_args: Its keyword arguments, JSON-able.
        num_workers: Verifier processes; groups beyond that wait.
        timeout_s: Wall seconds that one completion may take.
        start_timeout_s: Wall seconds that a process may take to import and build the reward.
        memory_mib: Address space of each process, MiB; None = unbounded.

    Example::

        pool = VerifierPool("math", {}, num_workers=2)
        await pool.start()
        results = await pool.score(prompt, ["#### 4", "#### 5"], [False, False])   # values 1 and 0
        await pool.close()
    """

    def __init__(
        self,
        reward_name: str,
        reward_args: Mapping[str, Any] | None = None,
        *,
        num_workers: int = 1,
        timeout_s: float = 5.0,
        start_timeout_s: float = 120.0,
        memory_mib: int | None = 4096,
    ) -> None:
        if num_workers < 1:
            raise ValueError(f"num_workers is {num_workers}; a pool needs at least one verifier process")
        if timeout_s <= 0:
            raise ValueError(f"timeout_s is {timeout_s}; it must be positive, else every completion times out")
        self._workers = [
            VerifierProcess(
                reward_name, reward_args or {}, timeout_s=timeout_s, start_timeout_s=start_timeout_s, memory_mib=memory_mib
            )
            for _ in range(num_workers)
        ]
        self._idle: asyncio.Queue[VerifierProcess] = asyncio.Queue()
        self._counts: Counter[str] = Counter()
        self._busy_s = 0.0
        self._open = False

    @property
    def pids(self) -> list[int]:
        """Of the verifier processes, for drills."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def start(self) -> None:
        """Start every process; ready to score when it returns.

        Raises:
            ValueError: The reward cannot be built.
            RuntimeError: A process does not come up.
        """
        assert not self._open, "the pool is already started"
        started = await asyncio.gather(*(worker.start() for worker in self._workers), return_exceptions=True)
        failures = [outcome for outcome in started if isinstance(outcome, BaseException)]
        if failures:
            await self.close()
            raise failures[0]
        for worker in self._workers:
            self._idle.put_nowait(worker)
        self._open = True

    async def score(self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]) -> list[RewardResult]:
        """[G] results, in order; a verifier that hangs or dies costs its own sample, with value 0 and the reason.

        Raises:
            RuntimeError: The pool is not started or was closed, or a replacement process does not come up.
        """
        if len(texts) != len(truncated):
            raise ValueError(f"{len(texts)} texts but {len(truncated)} truncated flags; there must be one for each")
        if not self._open:
            raise RuntimeError("the verifier pool is not running; await start() first")
        worker = await self._idle.get()
        began = time.monotonic()
        try:
            results = await self._score_with(worker, prompt, texts, truncated)
        finally:
            self._busy_s += time.monotonic() - began
            self._idle.put_nowait(worker)
        self._counts["completions"] += len(results)
        self._counts["errors"] += sum(result.reason.startswith("error: ") for result in results)
        return results

    async def _score_with(
        self, worker: VerifierProcess, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> list[RewardResult]:
        """Judge all; after a loss charge the guilty completion and go on with the rest, halving where the guilty one is unknown."""
        results: dict[int, RewardResult] = {}
        todo = [list(range(len(texts)))] if texts else []
        while todo:
            span = todo.pop()
            if not worker.alive:
                await self._replace(worker)
            try:
                verdicts = await worker.judge(prompt, [texts[i] for i in span], [truncated[i] for i in span])
                results.update(zip(span, verdicts, strict=True))
            except VerifierLost as lost:
                self._check_open()
                self._counts["timeouts" if lost.reason == "timeout" else "crashes"] += 1
                position = 0 if len(span) == 1 else lost.index
                if position is None:
                    todo += [span[len(span) // 2 :], span[: len(span) // 2]]
                    continue
                results[span[position]] = RewardResult(value=0.0, correct=False, reason=lost.reason)
                rest = span[:position] + span[position + 1 :]
                todo += [rest] if rest else []
        return [results[i] for i in range(len(texts))]

    async def _replace(self, worker: VerifierProcess) -> None:
        self._check_open()
        self._counts["respawns"] += 1
        await worker.start()
        if not self._open:
            await worker.close()
        self._check_open()

    def _check_open(self) -> None:
        if not self._open:
            raise RuntimeError("the verifier pool was closed while a group was being scored")

    async def close(self) -> None:
        """Kill every process and wait until it is gone; idempotent. Groups still being scored raise RuntimeError."""
        self._open = False
        for worker in self._workers:
            await worker.close()

    def metrics(self) -> dict[str, float]:
        """Counts since the pool was made, and seconds that its processes were busy."""
        names = ("completions", "timeouts", "crashes", "errors", "respawns")
        return {f"reward/{name}": float(self._counts[name]) for name in names} | {"reward/busy_s": self._busy_s}
