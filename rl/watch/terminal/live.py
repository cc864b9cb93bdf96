"""The terminal as a live view, or as one plain line a step where it is a pipe or cannot move its cursor."""

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live

from rl.views.run_view import RunView
from rl.watch.reader import INTERVAL_S, Rested
from rl.watch.snapshot import Part, snapshot
from rl.watch.terminal.frame import GOING, Frame, clock

TICK_S = 0.5
"""Seconds between two frames: waiting times grow, and the terminal may have another size."""

Snapshot = dict[str, Part]


def follow(run: RunView, console: Console) -> None:
    """Show the run until Ctrl-C, which is how one leaves; as lines, until the run is over."""
    look = Rested(lambda: taken(run))
    try:
        if console.is_terminal and not console.is_dumb_terminal:
            _live(look, console)
        else:
            lines(look.get, console)
    except KeyboardInterrupt:
        return


def taken(run: RunView) -> tuple[Snapshot, float]:
    """A snapshot and when it was taken, by the monotonic clock. A run that cannot be read says why."""
    try:
        return snapshot(run), time.monotonic()
    except (ValueError, OSError) as error:
        unread: Snapshot = {"state": {"run": run.name, "state": "unreadable", "problem": str(error)}}
        return unread, time.monotonic()


def _live(look: Rested[tuple[Snapshot, float]], console: Console) -> None:
    with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            parts, at = look.get()
            live.update(Frame(parts, time.monotonic() - at), refresh=True)
            time.sleep(TICK_S)


def lines(
    look: Callable[[], tuple[Snapshot, float]],
    console: Console,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """One line for each new step or state, until the run is over."""
    shown = None
    while True:
        parts, _ = look()
        state: Any = parts["state"]
        now = (state["state"], state.get("step"), state.get("attempt"))
        if now != shown:
            shown = now
            console.print(line(parts), markup=False, highlight=False, soft_wrap=True)
        if state["state"] not in GOING:
            return
        pause(INTERVAL_S)


def line(parts: Snapshot) -> str:
    """The snapshot as one line of text."""
    state: Any = parts["state"]
    curves: Any = parts.get("curves", [])
    words = [f"{state['run']} {state['state']}"]
    if state.get("problem"):
        return f"{words[0]}: {state['problem']}"
    words.append(f"step {state['step']}/{state['steps'] or '?'}")
    words += [f"{c['label']} {format(c['last'], c['format'])}" for c in curves if c["last"] is not None]
    if state["state"] in GOING and state["eta_s"] is not None:
        words.append(f"ETA {clock(state['eta_s'])}")
    return "  ".join(words)
