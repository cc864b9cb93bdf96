"""The work of ``t2rl report``."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rl.records.storage import StorageErrors, require_file
from rl.report.assemble import Report, assemble
from rl.views.run_view import RunView

NAME = "report.html"


def report_cli(
    paths: Sequence[Path], *, to: Path | None, baseline: Path | None, samples: int, as_json: bool
) -> None:
    """Read the runs, write the page, and say where it is.

    Raises:
        ValueError: a path is no run, a run is named twice, or the file cannot be written.
    """
    runs = runs_of(paths, baseline)
    file = destination(runs, to)
    made = assemble(runs, samples=samples, say=_said)
    with StorageErrors(file.parent, advice=lambda: "Name another file with --to FILE."):
        write(made, file)
    if as_json:
        print(json.dumps(facts(made, file, runs)))
    else:
        print(summary(made, file))


def runs_of(paths: Sequence[Path], baseline: Path | None) -> list[RunView]:
    """The runs in the order of the page; the baseline is the last one. Equal names get their parents'.

    Raises:
        ValueError: a path is no run, or one is named twice.
    """
    named = [*paths, *([baseline] if baseline is not None else [])]
    runs = [RunView(path) for path in named]
    places = [run.path.resolve() for run in runs]
    for path, place in zip(named, places, strict=True):
        if places.count(place) > 1:
            raise ValueError(f"{path} is named twice; name each run once, the baseline with --baseline only")
    names = [run.name for run in runs]
    for run in runs:
        if names.count(run.name) > 1:
            run.name = f"{run.path.parent.name}/{run.name}"
    return runs


def destination(runs: Sequence[RunView], to: Path | None) -> Path:
    """Where the page goes: ``to``, or ``report.html`` in the first run's directory.

    Raises:
        ValueError: it is a directory, or lies in none.
    """
    file = runs[0].path / NAME if to is None else to
    require_file(file, field="--to")
    return file


def write(made: Report, file: Path) -> None:
    """Put the page under its name when all of it is on disk: a browser never loads half of it."""
    staging = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        staging.write_text(made.html, encoding="utf-8")
        staging.replace(file)
    finally:
        staging.unlink(missing_ok=True)


def facts(made: Report, file: Path, runs: Sequence[RunView]) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "file": str(file.absolute()),
        "bytes": len(made.html.encode()),
        "runs": [str(run.path) for run in runs],
        "figures": made.figures,
        "samples": made.samples_shown,
        "samples_kept_by_the_runs": made.samples_of,
        "left_out": [{"title": title, "reason": reason} for title, reason in made.left_out],
    }


def summary(made: Report, file: Path) -> str:
    """Two lines for a terminal."""
    size = len(made.html.encode()) / 1e6
    samples = f", {made.samples_shown:,} of {made.samples_of:,} samples" if made.samples_of else ""
    left = f", {len(made.left_out)} parts without data left out" if made.left_out else ""
    return f"{file}: {size:.1f} MB, {made.figures} figures{samples}{left}\nOpen it in a browser."


def _said(text: str) -> None:
    """Progress, where a person watches."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)
