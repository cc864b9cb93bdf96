"""Loops side by side: the first that fails ends them all, with one exception that says why."""

import asyncio
import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


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
def collector_spared() -> Iterator[None]:
    """Inside the block garbage collections leave out what was there before: imports, prompts, the curriculum.

    A full collection would walk over all of it, and the loops stand still meanwhile. So would one here: what
    garbage there is stays for as long as the block.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


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
