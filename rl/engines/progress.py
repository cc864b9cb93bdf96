"""Waiting for an engine as long as it gets on with its work."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from rl.stream.plans import group_words
from rl.stream.waiting import StreamTimeout, wait_for
from rl.stream.waits import waiting
from rollout.engine import NO_GROUP, EngineDead
from rollout.types import Completion, GroupRequest

LOOKS = 4
"""How often, within a group's time limit, its engine is asked for the group's progress."""


async def completions_of(
    index: int,
    actor: Any,
    request: GroupRequest,
    *,
    timeout_s: float,
    health_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> list[Completion]:
    """The group's completions, however long they take, while the engine gets on with them or with what is
    before them.

    Args:
        index: The engine's number, for messages.
        actor: Its actor.
        request: The group.
        timeout_s: Longest time without a new token of the group; its turn in the queue does not count.
        health_s: Longest time to answer how far it is.
        clock: Seconds that count; they stand still while the engine has to sleep.

    Raises:
        EngineDead: the engine samples nothing, with work to do, or does not say how far it is.
        StreamTimeout: the group gets no token.
    """
    answer = asyncio.ensure_future(_answer(actor.generate.remote(request)))
    with waiting(f"engine {index} to finish {group_words(request.group_id)}", limit_s=timeout_s):
        completions: list[Completion] = await _while_it_moves(
            answer, index, actor, request.group_id, timeout_s=timeout_s, health_s=health_s, clock=clock
        )
    return completions


async def scores_of(
    index: int,
    actor: Any,
    sequences: list[list[int]],
    *,
    timeout_s: float,
    health_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> list[list[float]]:
    """Log-probs of a few sequences, [sequences][T-1]. They wait behind everything that the engine has, which
    may take long; that is no fault of it. Arguments and errors as above."""
    call = actor.score.options(concurrency_group="control").remote(sequences)
    with waiting(f"engine {index} to score the probe", limit_s=timeout_s):
        scores: list[list[float]] = await _while_it_moves(
            asyncio.ensure_future(_answer(call)),
            index,
            actor,
            NO_GROUP,
            timeout_s=timeout_s,
            health_s=health_s,
            clock=clock,
        )
    return scores


async def _while_it_moves(
    answer: "asyncio.Future[Any]",
    index: int,
    actor: Any,
    group_id: int,
    *,
    timeout_s: float,
    health_s: float,
    clock: Callable[[], float],
) -> Any:
    own, total = 0, None
    moved_at = engine_moved_at = clock()
    try:
        while not (await asyncio.wait({answer}, timeout=timeout_s / LOOKS))[0]:
            own_now, total_now = await _progress(index, actor, group_id, health_s)
            if answer.done():
                break
            now = clock()
            if total is None:  # it may have moved, or nobody looked: this process may have stood still
                engine_moved_at = moved_at = now
            elif total != total_now:
                engine_moved_at = now
                moved_at = now if own_now == 0 else moved_at  # it waits its turn
            if own_now != own:
                moved_at = now
            own, total = own_now, total_now
            if now - engine_moved_at >= timeout_s:
                raise EngineDead(f"engine {index} has sampled nothing for {timeout_s:g} s, with work to do")
            if now - moved_at >= timeout_s:
                what = f"a token of group {group_id} on engine {index} ({own} so far)"
                raise StreamTimeout(f"waited {timeout_s:g} s for {what}")
        return answer.result()
    finally:
        answer.cancel()


async def _progress(index: int, actor: Any, group_id: int, health_s: float) -> tuple[int, int]:
    call = actor.progress.options(concurrency_group="control").remote(group_id)
    try:
        progress: tuple[int, int] = await wait_for(call, health_s, f"engine {index} to say how far it is")
    except StreamTimeout as error:  # engines know it without asking the thread or process that samples
        raise EngineDead(str(error)) from error
    return progress


async def _answer(reference: Any) -> Any:
    return await reference
