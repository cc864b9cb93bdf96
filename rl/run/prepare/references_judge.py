"""Judging reference answers in verifier processes, within a time limit."""

import asyncio
import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewards.processes.pool import VerifierPool
from rollout.types import Prompt, RewardResult

MAX_WORKERS = 4
Asked = tuple[Prompt, list[str]]
"""A prompt and right completions of it."""


@dataclass(slots=True)
class Verdicts:
    """Verdicts on each prompt that there was time for."""

    accepted: list[str] = field(default_factory=list)
    """Ids of prompts all of whose phrasings were taken."""
    refused: list["Refused"] = field(default_factory=list)
    """Prompts with a phrasing that was not, in no order."""
    undecided: int = 0
    """The verdict was an accident, not one on the answer: a timeout, a crash, an error."""
    left: int = 0
    seconds: float = 0.0

    @property
    def judged(self) -> int:
        """Prompts with a verdict on their answer."""
        return len(self.accepted) + len(self.refused)

    def add(self, prompt: Prompt, texts: Sequence[str], results: Sequence[RewardResult]) -> None:
        """Count what became of one prompt's phrasings."""
        decided = [
            (text, result) for text, result in zip(texts, results, strict=True) if not _accidental(result)
        ]
        wrong = [(text, result.reason) for text, result in decided if not result.correct]
        if not decided:
            self.undecided += 1
        elif wrong:
            text, reason = wrong[0]
            self.refused.append(
                Refused(prompt, text, reason, taken=len(decided) - len(wrong), of=len(decided))
            )
        else:
            self.accepted.append(prompt.id)


@dataclass(frozen=True, slots=True)
class Refused:
    """A prompt whose reference the reward does not take in every phrasing."""

    prompt: Prompt
    text: str
    """The first phrasing that was not taken, and why."""
    reason: str
    taken: int
    of: int
    """Phrasings with a verdict."""


def judge_references(
    reward: str,
    args: Mapping[str, Any],
    options: Mapping[str, Any],
    asked: Sequence[Asked],
    *,
    seconds: float,
) -> Verdicts:
    """Judge each prompt's phrasings.

    Args:
        reward: For the verifier pool, with ``args``.
        args: The reward's arguments.
        options: Of the pool.
        asked: What to judge; the order does not matter.
        seconds: Wall time once the verifiers are there; what is left then is not judged, and the part that
            was is a fair sample.
    """
    # In the order of a hash, so that whatever part there is time for is a sample of all.
    ordered = sorted(asked, key=lambda pair: hashlib.blake2b(pair[0].id.encode(), digest_size=8).digest())
    pool = VerifierPool(
        reward, args, **{**options, "num_workers": min(MAX_WORKERS, os.cpu_count() or 1), "cache": 0}
    )
    verdicts = Verdicts()
    began = time.monotonic()
    asyncio.run(_run(pool, iter(ordered), verdicts, seconds=seconds))
    verdicts.seconds = time.monotonic() - began
    verdicts.left = len(ordered) - verdicts.judged - verdicts.undecided
    return verdicts


async def _run(pool: VerifierPool, waiting: Iterator[Asked], verdicts: Verdicts, *, seconds: float) -> None:
    async def work() -> None:
        for prompt, texts in waiting:
            verdicts.add(prompt, texts, await pool.score(prompt, texts, [False] * len(texts)))

    try:
        await pool.start()
        tasks = [asyncio.create_task(work()) for _ in pool.pids]
        done, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for task in done:
            task.result()
    finally:
        await pool.close()


def _accidental(result: RewardResult) -> bool:
    return result.failure is not None
