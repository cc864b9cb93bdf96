"""Waiting for an engine as long as it gets on with its work."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from rl.stream.plans import group_words
from rl.stream.waiting import StreamTimeout, wait_for
from rl.stream.waits import waiting
from rollout.engine import EngineDead
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
        EngineDead: the engine samples nothing, with work to do.
        StreamTimeout: the group gets no token, or the engine does not say how far it is.
    """
    answer = asyncio.ensure_future(_completions(actor.generate.remote(request)))
    with waiting(f"engine {index} to finish {group_words(request.group_id)}", limit_s=timeout_s):
        return await _while_it_moves(
            answer, index, actor, request, timeout_s=timeout_s, health_s=health_s, clock=clock
        )


async def _while_it_moves(
    answer: "asyncio.Future[list[Completion]]",
    index: int,
    actor: Any,
    request: GroupRequest,
    *,
    timeout_s: float,
    health_s: float,
    clock: Callable[[], float],
) -> list[Completion]:
    own, total = 0, None
    moved_at = engine_moved_at = clock()
    try:
        while not (await asyncio.wait({answer}, timeout=timeout_s / LOOKS))[0]:
            call = actor.progress.options(concurrency_group="control").remote(request.group_id)
            what = f"engine {index} to say how far group {request.group_id} is"
            own_now, total_now = await wait_for(call, health_s, what)
            now = clock()
            if total not in (None, total_now):
                engine_moved_at = now
                moved_at = now if own_now == 0 else moved_at  # it waits its turn
            if own_now != own:
                moved_at = now
            own, total = own_now, total_now
            if now - engine_moved_at >= timeout_s:
                raise EngineDead(f"engine {index} has sampled nothing for {timeout_s:g} s, with work to do")
            if now - moved_at >= timeout_s:
                what = f"a token of group {request.group_id} on engine {index} ({own} so far)"
                raise StreamTimeout(f"waited {timeout_s:g} s for {what}")
        return answer.result()
    finally:
        answer.cancel()


async def _completions(reference: Any) -> list[Completion]:
    completions: list[Completion] = await reference
    return completions
