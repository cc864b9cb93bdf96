"""The work behind the options of ``t2rl watch``."""

import asyncio
import json
import os
import secrets
import socket
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from rl.commands.listen import bound, listen
from rl.watch.app import WatchService
from rl.watch.guard import Guard, own_names
from rl.watch.runs import Runs
from rl.watch.snapshot import snapshot
from rl.watch.terminal.frame import Frame
from rl.watch.terminal.live import follow, taken

PORT = 8800
"""The first one tried unless ``--port`` says another."""
TRIES = 100
TOKEN_BYTES = 24
WHOLE = 200
"""Lines of a frame that is printed and not kept within a screen."""
WILDCARDS = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """The command's options of the page."""

    host: str = "127.0.0.1"
    port: int | None = None
    """None: ``PORT``, or the next that is free."""
    token: str | None = None
    """Required of every request; None: none is."""
    open: bool = False
    """Show the page in this machine's browser."""


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def serve_page(path: Path, options: WatchOptions) -> None:
    """Serve the page of a run, or of a directory of runs, until Ctrl-C.

    Raises:
        ValueError: no run there, or the port is taken.
    """
    runs = Runs(path)
    step_back()
    with bound_near(options.host, options.port) as sock:
        asyncio.run(_serve(runs, sock, options))


def step_back() -> None:
    """Let every process of a run that wants a core have it before us."""
    os.nice(19)


def bound_near(host: str, port: int | None) -> socket.socket:
    """A socket on ``port``; without one on ``PORT``, or the next that is free.

    Raises:
        ValueError: the address cannot be had.
    """
    if port is not None:
        return bound(host, port)
    for candidate in range(PORT, PORT + TRIES - 1):
        try:
            return bound(host, candidate)
        except ValueError:
            continue
    return bound(host, PORT + TRIES - 1)


def address(sock: socket.socket, options: WatchOptions) -> str:
    """The address to open, with the token if there is one."""
    host = socket.gethostname() if options.host in WILDCARDS else options.host
    host = f"[{host}]" if ":" in host else host
    query = "" if options.token is None else f"?token={options.token}"
    return f"http://{host}:{sock.getsockname()[1]}/{query}"


async def _serve(runs: Runs, sock: socket.socket, options: WatchOptions) -> None:
    service = WatchService(runs)
    app = Guard(service.app, names=own_names(options.host), token=options.token)
    url = address(sock, options)

    def ready() -> None:
        print(f"watching at {url} (Ctrl-C ends it)", file=sys.stderr, flush=True)
        if options.open:
            webbrowser.open(url)

    try:
        await listen(app, sock, watch=_for_ever(), ready=ready, leaving=service.leaving.set)
    finally:
        service.close()


async def _for_ever() -> None:
    await asyncio.Event().wait()


def print_state(path: Path) -> None:
    """Print the snapshot of a run as JSON; of a directory, that of the run that was started last."""
    print(json.dumps(snapshot(Runs(path).newest()), indent=2))


def show_in_terminal(path: Path, *, once: bool) -> None:
    """Show a run in the terminal; of a directory, the one that was started last."""
    run = Runs(path).newest()
    console = Console(highlight=False)
    if once:
        console.print(Frame(taken(run)[0], height=WHOLE))
        return
    step_back()
    follow(run, console)
