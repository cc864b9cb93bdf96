"""An HTTP server inside a running event loop, ended by a signal or by the death of what it serves."""

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from rl.commands.connections import SERVER

GRACE_S = 5
"""Seconds that requests at work have left after the first signal."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Listener(uvicorn.Server):
    """Without uvicorn's signal handlers: raising the signal again afterwards would interrupt our own stopping
    of engines."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handlers are ``listen``'s."""
        yield


def bound(host: str, port: int) -> socket.socket:
    """A socket that has the address but does not listen yet, so that a taken port is known before any engine
    starts.

    Raises:
        ValueError: the address cannot be had.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise ValueError(
            f"--host {host} --port {port}: {error.strerror or error}; --port 0 takes a free one"
        ) from error
    return sock


async def listen(
    app: ASGIApp,
    sock: socket.socket,
    *,
    watch: Coroutine[Any, Any, None],
    ready: Callable[[], None] = lambda: None,
    leaving: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM (a second Ctrl-C ends requests at work at once), or until ``watch``
    raises.

    ``ready`` is called once requests are taken, ``leaving`` at each signal: answers without an end must end
    then.

    Raises:
        Exception: whatever ``watch`` raised, once the server has stopped.
    """
    config = uvicorn.Config(
        app, log_level="warning", timeout_graceful_shutdown=GRACE_S, lifespan="off", **SERVER
    )
    server, loop = Listener(config), asyncio.get_running_loop()

    def leave(number: signal.Signals) -> None:
        leaving()
        server.handle_exit(number, None)

    for number in SIGNALS:
        loop.add_signal_handler(number, leave, number)
    watching = asyncio.create_task(watch)
    watching.add_done_callback(lambda task: setattr(server, "should_exit", True))
    telling = asyncio.create_task(_tell(server, ready))
    try:
        await server.serve(sockets=[sock])
        if watching.done():
            watching.result()
    finally:
        watching.cancel()
        telling.cancel()
        await asyncio.gather(watching, telling, return_exceptions=True)


async def _tell(server: uvicorn.Server, ready: Callable[[], None]) -> None:
    while not server.started:
        await asyncio.sleep(0.02)
    ready()
