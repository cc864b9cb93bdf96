"""The logs of a run's processes: list them, show one, follow it."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rl.config.errors import suggest
from rl.views.logs import LogFile, log_files, shown_lines, text_of
from rl.views.run_view import RunView
from rl.views.standing import standing
from rl.views.words import duration, size_text

POLL_S = 0.3


def print_logs(path: Path, *, as_json: bool) -> None:
    """Print which logs there are."""
    run = RunView(path)
    files = log_files(run.files.logs)
    if as_json:
        print(json.dumps([asdict(file) | {"path": str(file.path)} for file in files], indent=2))
        return
    if not files:
        print(f"{run.files.logs} holds no logs yet{_elsewhere(run)}")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("actor", "pid", "stream", "size", "written"):
        table.add_column(heading, no_wrap=True)
    for file in files:
        pid = "" if file.pid is None else str(file.pid)
        ago = f"{duration(max(0.0, time.time() - file.written_at))} ago"
        table.add_row(file.actor, pid, file.stream, size_text(file.size), ago)
    Console().print(table)


def show_logs(
    path: Path, actor: str, *, tail: int | None, follow: bool, say: Callable[[str], object]
) -> None:
    """Say the lines of one actor's logs, or of all whose names begin so (``engine``); with ``follow`` go on
    until the run ends.

    Raises:
        ValueError: There is no such log.
    """
    run = RunView(path)
    files = _of_actor(run, actor)
    several = len(files) > 1
    read: dict[Path, int] = {}
    for file in files:
        if several:
            say(f"== {_title(file)}")
        read[file.path] = file.path.stat().st_size
        for line in text_of(file.path, tail=tail):
            say(line)
    if follow:
        _follow(run, actor, read, say)


def _follow(run: RunView, actor: str, read: dict[Path, int], say: Callable[[str], object]) -> None:
    """Say what is added, also by processes that begin meanwhile, until the run has ended."""
    last: Path | None = next(reversed(read), None)
    while True:
        going = standing(run).going
        for file in log_files(run.files.logs):
            if _matches(file.actor, actor):
                added, read[file.path] = _added(file.path, read.get(file.path, 0))
                if added and file.path != last and len(read) > 1:
                    say(f"== {_title(file)}")
                    last = file.path
                for line in shown_lines(added):
                    say(line)
        if not going:
            return
        time.sleep(POLL_S)


def _added(path: Path, offset: int) -> tuple[str, int]:
    """Whole lines behind ``offset``, and the offset behind them."""
    with path.open("rb") as file:
        file.seek(offset)
        added = file.read()
    whole = added[: added.rfind(b"\n") + 1]
    return whole.decode(errors="replace"), offset + len(whole)


def _of_actor(run: RunView, actor: str) -> list[LogFile]:
    files = log_files(run.files.logs)
    chosen = [file for file in files if file.actor == actor]
    chosen = chosen or [file for file in files if _matches(file.actor, actor)]
    if chosen:
        return chosen
    names = sorted({file.actor for file in files})
    raise ValueError(
        f"{actor}: {run.name} has no log of that name.{suggest(actor, names)} There are:"
        f" {', '.join(names) or 'none'}{_elsewhere(run)}"
    )


def _matches(name: str, asked: str) -> bool:
    return name == asked or name.rpartition("-")[0] == asked


def _title(file: LogFile) -> str:
    return f"{file.actor}, process {file.pid}, {file.stream}" if file.pid else file.actor


def _elsewhere(run: RunView) -> str:
    address = run.setting("cluster.address")
    if address is None:
        return ""
    return (
        f"; actors of a Ray cluster ({address}) log on their own nodes, in /tmp/ray/session_latest/logs there"
        " (ray logs cluster lists them)"
    )
