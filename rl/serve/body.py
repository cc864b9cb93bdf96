"""Reading a request, and noticing that its client is gone."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from rl.serve.errors import RequestError

T = TypeVar("T")
CLIENT_GONE = 499
"""Nobody reads it; the log of a proxy may."""


async def read_body(request: Request, most: int) -> bytes:
    """The whole body.

    Raises:
        RequestError: 413: over ``most`` bytes, as it says or as it turns out.
    """
    too_large = RequestError(413, f"the request is over {most} bytes", code="request_too_large")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > most:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise too_large
    except ClientDisconnect as error:
        raise RequestError(CLIENT_GONE, "the client left") from error
    return bytes(body)


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """``work``, cancelled when the client hangs up: its samples would be drawn for nobody. The body must have
    been read.

    Raises:
        RequestError: 499: the client left.
    """
    working, leaving = asyncio.create_task(work), asyncio.create_task(_until_gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise RequestError(CLIENT_GONE, "the client left")
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
