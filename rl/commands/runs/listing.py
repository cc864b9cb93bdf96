"""The runs of a directory as a table."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rl.views.run_view import RunView, find_runs, is_run
from rl.views.standing import Standing, size_of, standing
from rl.views.words import duration, size_text

COLOURS = {"running": "green", "finished": "", "failed": "red", "died": "red", "silent": "red"}


def print_runs(directory: Path, *, as_json: bool) -> None:
    """Print one row a run, the newest start first.

    Raises:
        ValueError: There is no such directory.
    """
    runs = [RunView(directory)] if is_run(directory) else find_runs(directory)
    rows = [(standing(run), size_of(run.path)) for run in runs]
    if as_json:
        print(json.dumps([_as_json(run, size) for run, size in rows], indent=2))
        return
    if not rows:
        print(f"{directory} holds no runs; t2rl train quickstart run.dir={directory} begins one")
        return
    table = Table(box=None, padding=(0, 1, 0, 0))
    for heading in ("run", "state"):
        table.add_column(heading, no_wrap=heading == "state", overflow="fold")
    for heading in ("step", "pass@1", "left", "age", "size"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run, size in rows:
        table.add_row(*_cells(run, size))
    Console().print(table)


def state_text(run: Standing) -> str:
    """The state in one word: ``silent`` for a run that lives and gives no sign of it."""
    return "silent" if run.silent else run.state


def pass_text(run: Standing) -> str:
    """``.31 > .45 T=1``: the base and the newest version."""
    if run.temperature is None or not (run.base or run.newest):
        return ""
    rates = " > ".join(f"{rate.value:.3f}".removeprefix("0") for rate in (run.base, run.newest) if rate)
    return f"{rates} T={run.temperature:g}"


def step_text(run: Standing) -> str:
    """``37/200``; the steps planned are not known of every stage."""
    return f"{run.step}" if run.steps is None else f"{run.step}/{run.steps}"


def _cells(run: Standing, size: int) -> list[str]:
    state, kind = state_text(run), "" if run.kind == "rl" else f" ({run.kind})"
    colour = COLOURS.get(state, "")
    return [
        f"{run.name}{kind}",
        f"[{colour}]{state}[/]" if colour else state,
        step_text(run),
        pass_text(run),
        "" if run.eta_s is None else duration(run.eta_s),
        "" if run.started_at is None else duration(time.time() - run.started_at),
        size_text(size),
    ]


def _as_json(run: Standing, size: int) -> dict[str, Any]:
    return asdict(run) | {"path": str(run.path), "bytes": size}
