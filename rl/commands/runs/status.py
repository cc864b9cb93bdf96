"""One run at this moment: state, phase, loops, actors, last error, advice."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rl.commands.runs.listing import pass_text, state_text, step_text
from rl.commands.runs.resume import how_to_go_on
from rl.views.run_view import RunView
from rl.views.standing import RL, Standing, standing
from rl.views.words import duration

BAD = ("failed", "died", "silent")
"""States in which somebody should look."""
ADVISORIES = 3
"""Newest ones that are shown."""


def print_status(path: Path, *, as_json: bool) -> bool:
    """Print it; False where the run failed, died or hangs.

    Raises:
        ValueError: It is no run directory.
    """
    run = RunView(path)
    now = standing(run)
    status, advice = run.status(), run.advisories()[-ADVISORIES:]
    if as_json:
        print(json.dumps(as_document(now, status, advice), indent=2))
    else:
        _print(Console(), now, status, advice)
    return state_text(now) not in BAD


def as_document(now: Standing, status: dict[str, Any] | None, advice: list[dict[str, Any]]) -> dict[str, Any]:
    """The status file's content, and what the other files say."""
    return (status or {}) | asdict(now) | {"path": str(now.path), "advisories": advice}


def _print(
    console: Console, now: Standing, status: dict[str, Any] | None, advice: list[dict[str, Any]]
) -> None:
    left = "" if now.eta_s is None else f", about {duration(now.eta_s)} left"
    _say(console, f"{now.name}: {state_text(now)}, step {step_text(now)}{left}")
    if status is not None:
        _facts(console, now, status)
    rates = pass_text(now)
    if rates:
        _say(
            console,
            f"held-out pass@1 {rates} (base > step {now.newest.version})"
            if now.newest and now.base
            else f"held-out pass@1 {rates}",
        )
    if status is None:
        why = "T2RL before 0.3.0 began it" if now.kind == RL else f"t2rl {now.kind} writes none"
        _say(console, f"It has no status.json: {why}. Loops and actors are not known.")
        if not now.going and now.state != "finished":
            _say(console, how_to_go_on(now.path))
        return
    if now.going and status["loops"]:
        console.print(_loops(status["loops"]))
    if status["actors"]:
        if now.state == "died":
            _say(console, "when it was last seen:")
        console.print(_actors(status["actors"]))
    if status.get("last_error"):
        ago = duration(time.time() - status["last_error_at"])
        _say(console, f"last error, {ago} ago: {status['last_error']}", style="red")
    for row in advice:
        _say(console, f"advice at step {row['step']}: {row['name']}: {row.get('text', 'see the log')}")


def _facts(console: Console, now: Standing, status: dict[str, Any]) -> None:
    clock = time.time()
    if now.going:
        _say(console, f"phase: {status['phase']}, for {duration(clock - status['phase_since'])}")
    where = f"process {status['pid']} on {status['host']}, start {status['attempt']} of this run"
    ago = duration(clock - status["started_at"])
    _say(console, f"{where}, {ago} ago; last sign of life {duration(status['age_s'])} ago")
    if now.silent:
        _say(
            console,
            "It should write its status every second: its event loop hangs, or the machine or the disk does."
            f" t2rl logs {now.path} shows its last words; t2rl stop --now {now.path} ends it.",
            style="red",
        )
    if now.state == "died":
        _say(console, f"Its process is gone without a word, at phase: {status['phase']}.", style="red")
    if not now.going and now.state != "finished":
        _say(console, how_to_go_on(now.path))


def _loops(loops: dict[str, dict[str, Any]]) -> Table:
    table = _table("loop", "waits for", "for", "at most")
    for name, loop in loops.items():
        what, others = loop["waits_for"], loop.get("others", 0)
        limit = loop.get("limit_s")
        table.add_row(
            Text(name),
            Text("(at work)" if what is None else f"{what} (and {others} more)" if others else what),
            duration(max(0.0, time.time() - loop["since"])),
            "" if limit is None else duration(limit),
        )
    return table


def _actors(actors: list[dict[str, Any]]) -> Table:
    table = _table("actor", "state", "detail", "pid")
    for actor in actors:
        pid = actor.get("pid")
        table.add_row(
            Text(actor["name"]), Text(actor["state"]), Text(actor["detail"]), "" if pid is None else str(pid)
        )
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _say(console: Console, text: str, *, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=True)
