"""What every benchmark shares: the machine in words, min/median/max, and where results go."""

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from rl.records.jsonl import plain

RESULTS = Path(__file__).parents[1] / "results"
CONSOLE = Console(width=140)


def parser(description: str) -> argparse.ArgumentParser:
    """The options that every benchmark takes."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--quick",
        action="store_true",
        help="at most three minutes; shows that it runs, not a result to quote",
    )
    made.add_argument(
        "--json", type=Path, default=None, help="write the result to this file instead of benchmarks/results/"
    )
    return made


def spread(values: Sequence[float]) -> dict[str, float]:
    """``{min, median, max}``."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def machine() -> dict[str, Any]:
    """The machine and the day, for the record."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown",
    )
    return {
        "date": date.today().isoformat(),
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "load_before": [round(x, 2) for x in os.getloadavg()],
    }


def command_line() -> str:
    """How this benchmark was called, without this machine's folders: ``python -m benchmarks.speed.stream
    --quick``."""
    spec = sys.modules["__main__"].__spec__
    name = Path(sys.argv[0]).stem if spec is None else spec.name.removesuffix(".__main__")
    return shlex.join(["python", "-m", name, *sys.argv[1:]])


def save(name: str, result: dict[str, Any], *, args: argparse.Namespace, beside: bool = False) -> None:
    """Full results replace the last one in ``benchmarks/results``; quick ones are written only where
    ``--json`` says. ``beside``: keys of the file that ``result`` lacks are another benchmark's, and stay."""
    path = args.json or (None if args.quick else RESULTS / f"{name}.json")
    if path is not None:
        if beside and path.is_file():
            result = json.loads(path.read_text(encoding="utf-8")) | result
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(plain(result), indent=2) + "\n", encoding="utf-8")
        CONSOLE.print(f"written to {path}")


def show(title: str, rows: dict[str, dict[str, float]]) -> None:
    """A table of spreads."""
    table = Table("figure", "min", "median", "max", title=title)
    for name, value in rows.items():
        table.add_row(name, *(f"{value[k]:.3g}" for k in ("min", "median", "max")))
    CONSOLE.print(table)
