"""Verifiers in killable processes: one that hangs or dies costs its own sample and nothing else."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rewards import modules_of
from rewards.processes.forker import Forker
from rewards.processes.process import VerifierLost, VerifierProcess
from rewards.processes.verdict_cache import Key, VerdictCache, keys_of
from rollout.types import Failure, Prompt, RewardResult

CHEAP_S = 50e-6
"""A reward that needs less for a completion is asked again: remembering would cost as much."""
FIRST_LOOK = 64
"""Completions after which that is known."""
RAISED = (Failure.ERROR, Failure.SANDBOX, Failure.NOT_FINITE)
"""Failures that ``reward/errors`` counts: the verifier lives, its reward gave nothing of use."""
COUNTED = ("completions", "timeouts", "crashes", "errors", "respawns", "recycles", "leaks", "cache_hits")


class VerifierPool:
    """Scores whole groups; a :class:`~rollout.types.GroupScorer`.

    One message per group. If the process dies at completion i, or the reward raises, that sample is not
    judged; if it hangs, the sample is wrong or not judged, as ``on_timeout`` says. The process is killed and
    replaced then, and completions whose verdicts had not come back are judged again: rewards are pure, so the
    second verdict is the first one. Equal completions of a prompt are judged once, unless the reward says
    that it is not pure (``pure = False``) or it is cheap.

    Args:
        reward_name: For ``rewards.build_reward``.
        reward_args: Its keyword arguments, JSON-able.
        num_workers: Verifier processes; groups beyond that wait.
        timeout_s: Wall seconds that one completion may take.
        start_timeout_s: Wall seconds that a process may take to import and build the reward.
        memory_mib: Address space of each process, MiB; None = unbounded.
        recycle_after: Groups after which a process is replaced by a fresh one; 0 = never.
        recycle_mib: Likewise once it holds so many MiB more than it did when its reward was built (counted as
            a leak); 0 = never.
        cache: Verdicts remembered; 0 = none.
        on_timeout: Whether a completion that takes longer than ``timeout_s`` is ``wrong`` or ``unjudged``;
            None = what the reward says (``rewards.timeout_means``).

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
        recycle_after: int = 1000,
        recycle_mib: int = 512,
        cache: int = 32768,
        on_timeout: Literal["wrong", "unjudged"] | None = None,
    ) -> None:
        if num_workers < 1:
            raise ValueError(f"num_workers is {num_workers}; a pool needs at least one verifier process")
        if timeout_s <= 0:
            raise ValueError(
                f"timeout_s is {timeout_s}; it must be positive, else every completion times out"
            )
        args = reward_args or {}
        self._forker = Forker(modules_of(reward_name, args), start_timeout_s=start_timeout_s)
        limits: dict[str, Any] = {
            "timeout_s": timeout_s,
            "start_timeout_s": start_timeout_s,
            "memory_mib": memory_mib,
        }
        self._workers = [
            VerifierProcess(reward_name, args, forker=self._forker, **limits) for _ in range(num_workers)
        ]
        self._recycle_after, self._recycle_mib = recycle_after, recycle_mib
        self._cache = VerdictCache(cache)
        self._on_timeout = on_timeout
        self._idle: asyncio.Queue[VerifierProcess] = asyncio.Queue()
        self._recycling: set[asyncio.Task[None]] = set()
        self._counts: Counter[str] = Counter()
        self._busy_s = 0.0
        self._judged = 0
        self._open = False

    @property
    def pids(self) -> list[int]:
        """Return the pids of the verifier processes, for drills."""
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

    async def score(
        self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> list[RewardResult]:
        """[G] results, in order; a verifier that hangs or dies costs its own sample, with the reason.

        Raises:
            RuntimeError: The pool is not started or was closed, or a replacement process does not come up.
        """
        if len(texts) != len(truncated):
            raise ValueError(
                f"{len(texts)} texts but {len(truncated)} truncated flags; there must be one for each"
            )
        if not self._open:
            raise RuntimeError("the verifier pool is not running; await start() first")
        try:
            results = await (self._remembered if self._remembers() else self._judge)(prompt, texts, truncated)
        except TypeError as error:
            raise ValueError(
                f"prompt {prompt.id}: its metadata cannot go to a verifier process: {error}; keep JSON types"
            ) from error
        self._counts["completions"] += len(results)
        self._counts["errors"] += sum(result.failure in RAISED for result in results)
        return results

    def _remembers(self) -> bool:
        """Whether looking verdicts up pays."""
        dear = self._judged < FIRST_LOOK or self._busy_s / self._judged > CHEAP_S
        return self._cache.size > 0 and self._workers[0].pure and dear

    async def _remembered(
        self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> list[RewardResult]:
        """Judge each different completion once, if it was not judged before."""
        keys = keys_of(prompt, texts, truncated)
        known = {key: verdict for key in set(keys) if (verdict := self._cache.get(key)) is not None}
        first: dict[Key, int] = {}
        for i, key in enumerate(keys):
            if key not in known:
                first.setdefault(key, i)
        self._counts["cache_hits"] += len(keys) - len(first)
        if first:
            new = await self._judge(
                prompt, [texts[i] for i in first.values()], [truncated[i] for i in first.values()]
            )
            known.update(zip(first, new, strict=True))
        for key in first:
            if known[key].failure is None:  # else of the machine or the moment, not of the answer
                self._cache.put(key, known[key])
        return [known[key] for key in keys]

    async def _judge(
        self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> list[RewardResult]:
        if not texts:
            return []
        worker = await self._idle.get()
        began = time.monotonic()
        try:
            return await self._judge_with(worker, prompt, texts, truncated)
        finally:
            self._busy_s += time.monotonic() - began
            self._judged += len(texts)
            self._give_back(worker)

    async def _judge_with(
        self, worker: VerifierProcess, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> list[RewardResult]:
        """Judge all; after a loss charge the guilty completion and go on with the rest, halving where the
        guilty one is unknown."""
        results: dict[int, RewardResult] = {}
        todo = [list(range(len(texts)))]
        while todo:
            span = todo.pop()
            if not worker.alive:
                await self._replace(worker)
            try:
                verdicts = await worker.judge(prompt, [texts[i] for i in span], [truncated[i] for i in span])
                results.update(zip(span, verdicts, strict=True))
            except VerifierLost as lost:
                self._check_open()
                self._counts["timeouts" if lost.failure is Failure.TIMEOUT else "crashes"] += 1
                known = len(lost.verdicts)
                results.update(zip(span, lost.verdicts, strict=False))
                span = span[known:]
                if not span:
                    continue
                position = (
                    0
                    if len(span) == 1
                    else None
                    if lost.index is None or lost.index < known
                    else lost.index - known
                )
                if position is None:
                    todo += [span[len(span) // 2 :], span[: len(span) // 2]]
                    continue
                results[span[position]] = self._charged(worker, lost.failure)
                rest = span[:position] + span[position + 1 :]
                todo += [rest] if rest else []
        return [results[i] for i in range(len(texts))]

    def _charged(self, worker: VerifierProcess, failure: Failure) -> RewardResult:
        """The result of the completion that a verifier was lost on."""
        if failure is Failure.TIMEOUT and (self._on_timeout or worker.on_timeout) == "wrong":
            return RewardResult(value=0.0, correct=False, reason=failure.value, failure=failure)
        return RewardResult.unjudged(failure.value, failure)

    def _give_back(self, worker: VerifierProcess) -> None:
        """To the next group, or to be replaced: behind the group's back, since its results are there."""
        leaks = worker.alive and 0 < self._recycle_mib <= worker.grown_mib
        if self._open and (leaks or (worker.alive and 0 < self._recycle_after <= worker.groups)):
            self._counts["leaks"] += leaks
            self._counts["recycles"] += 1
            task = asyncio.create_task(self._recycle(worker))
            self._recycling.add(task)
            task.add_done_callback(self._recycling.discard)
        else:
            self._idle.put_nowait(worker)

    async def _recycle(self, worker: VerifierProcess) -> None:
        try:
            await worker.start()
        except (RuntimeError, ValueError):
            worker.kill()  # whoever gets it next starts it again, and is told if that fails, too
        finally:
            self._idle.put_nowait(worker)

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
        """Kill every process and wait until it is gone; idempotent. Groups still being scored raise
        RuntimeError."""
        self._open = False
        for task in self._recycling:
            task.cancel()
        await asyncio.gather(*self._recycling, return_exceptions=True)
        for worker in self._workers:
            await worker.close()
        await self._forker.close()

    def metrics(self) -> dict[str, float]:
        """Counts since the pool was made, and seconds that its processes were busy.

        ``recycles`` are processes replaced for their age or growth, ``leaks`` those for growth;
        ``cache_hits`` are completions that were not judged because an equal one had been.
        """
        return {f"reward/{name}": float(self._counts[name]) for name in COUNTED} | {
            "reward/busy_s": self._busy_s
        }
