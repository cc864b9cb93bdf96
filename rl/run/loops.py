"""Loops side by side: the first that fails ends them all, with one exception that says why."""

import asyncio
import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

FULL_COLLECTION_S = 600.0
"""Between full garbage collections of a run: what they find are the few cycles that lived for a second."""
NEVER = 2**31 - 1


async def first_failure(tasks: list[asyncio.Task[None]], *, until: asyncio.Task[None]) -> None:
    """Return when ``until`` ends well; raise as soon as any task fails. Loops that end early on their own are
    fine."""
    pending = set(tasks)
    while until in pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        failures = [e for t in done if (e := t.exception()) is not None]
        if failures:
            raise _root_cause(BaseExceptionGroup("the run ended because its loops died", failures))


@contextmanager
def collector_spared(*, full_s: float = FULL_COLLECTION_S) -> Iterator[None]:
    """Inside the block garbage collections leave out what was there before (imports, prompts, the
    curriculum), and full ones come every ``full_s`` seconds only, in the running loop.

    The loops stand still during a collection, and Python begins a full one whenever the objects in flight
    have grown by a quarter: of a large batch that is 0.1 s, several times a step. None is made at the start:
    garbage of before stays for as long as the block.
    """

    async def collect() -> None:
        while True:
            await asyncio.sleep(full_s)
            gc.collect()

    thresholds, collecting = gc.get_threshold(), asyncio.create_task(collect())
    gc.set_threshold(*thresholds[:2], NEVER)
    gc.freeze()
    try:
        yield
    finally:
        collecting.cancel()
        gc.unfreeze()
        gc.set_threshold(*thresholds)


def _root_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what the loops died of: one exception where all failures are of one kind, else the group."""
    leaves: list[BaseException] = []
    stack: list[BaseException] = [group]
    while stack:
        error = stack.pop()
        if isinstance(error, BaseExceptionGroup):
            stack += reversed(error.exceptions)
        else:
            leaves.append(error)
    if len({type(leaf) for leaf in leaves}) > 1:
        return group
    logger.error("the run ended because a loop died (%d failures of this kind)", len(leaves))
    return leaves[0]
