"""Real sockets against the server of every service: what is slow, large or too many is closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from rl.commands import connections
from rl.commands.connections import SERVER
from rl.commands.listen import Listener, bound


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body, once it is there."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": body[:2]})


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """The port of a server of ``echo``."""
    sock = bound("127.0.0.1", 0)
    server = Listener(uvicorn.Config(echo, log_level="critical", lifespan="off", **SERVER))
    task = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def answer(port: int, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """All that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(pause_s)
    async with asyncio.timeout(10):
        found = await reader.read()
    writer.close()
    return found


WHOLE = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab"


@pytest.mark.parametrize(
    ("pieces", "first_line"),
    [
        ((WHOLE,), b"HTTP/1.1 200 OK"),
        ((WHOLE[:20], WHOLE[20:]), b"HTTP/1.1 200 OK"),
        ((b"",), b""),
        ((WHOLE[:20],), b""),
        ((WHOLE[:-1],), b""),
        ((b"GET / HTTP/1.1\r\nX: " + b"x" * (40 << 10),), b"HTTP/1.1 400 Bad Request"),
    ],
    ids=["whole", "in pieces", "nothing", "half a head", "half a body", "a large head"],
)
def test_a_request_arrives_in_time_or_not_at_all(monkeypatch, pieces, first_line) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 0.3)

    async def run() -> bytes:
        async with served() as port:
            return await answer(port, *pieces, pause_s=0.05)

    assert asyncio.run(run()).partition(b"\r\n")[0] == first_line


def test_one_connection_too_many_is_closed_and_there_is_room_again(monkeypatch) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 2)

    async def run() -> list[bytes]:
        async with served() as port:
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            await asyncio.sleep(0.05)
            refused = await answer(port)
            for _, writer in idle:
                writer.close()
                await writer.wait_closed()
            await asyncio.sleep(0.05)
            return [refused, await answer(port, WHOLE)]

    refused, served_again = asyncio.run(run())
    assert refused == b"" and served_again.startswith(b"HTTP/1.1 200")
