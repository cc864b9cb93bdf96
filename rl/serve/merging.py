"""Several streams as one."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


async def merged(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[tuple[int, T], None]:
    """(index of the stream, item) in order of arrival. Closing it closes them all; the first error of one
    ends the others and is raised."""
    arrived: asyncio.Queue[tuple[int, T] | None] = asyncio.Queue()

    async def pump(index: int, stream: AsyncGenerator[T, None]) -> None:
        async with aclosing(stream):
            async for item in stream:
                arrived.put_nowait((index, item))

    tasks = [asyncio.create_task(pump(index, stream)) for index, stream in enumerate(streams)]
    together = asyncio.gather(*tasks)
    together.add_done_callback(lambda _: arrived.put_nowait(None))
    try:
        while (item := await arrived.get()) is not None:
            yield item
        await together
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, together, return_exceptions=True)
