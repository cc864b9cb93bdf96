"""Tables and the shared result file of ``benchmarks.simulate``."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.lib.common import CONSOLE, RESULTS

DATA = Path(__file__).parents[1] / "data"
FILE = RESULTS / "simulate.json"
Row = Mapping[str, Any]


def published_s(row: Row) -> float:
    """The seconds that a row was published or measured with."""
    return float(next(row[key] for key in ("step_s", "wall_s", "measured_s") if key in row))


def error(row: Row) -> float:
    """Error of the simulated seconds, relative to the row's own."""
    return float(row["simulated_s"]) / published_s(row) - 1


def relative_errors(parts: Mapping[str, Sequence[Row]], use: str) -> dict[str, Any]:
    """Median and largest absolute relative error of the rows of a use: of all, and part by part."""
    found = {name: [abs(error(row)) for row in rows if row["use"] == use] for name, rows in parts.items()}
    every = [value for values in found.values() for value in values]
    summary = {name: _two(values) for name, values in found.items() if values}
    return {**_two(every), "rows": len(every), "within_20%": sum(v <= 0.2 for v in every), "parts": summary}


def _two(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(float(np.median(values)), 4), "max": round(max(values), 4)}


def table(title: str, rows: Sequence[Row]) -> None:
    """Rows beside what was simulated, for the reader who waits."""
    shown = Table("row", "use", "measured (s)", "simulated (s)", "error", title=title)
    for row in rows:
        name = f"{row['name']} {row.get('staleness', '')}"
        seconds = f"{published_s(row):.4g}", f"{row['simulated_s']:.4g}"
        shown.add_row(name, row["use"], *seconds, f"{error(row):+.1%}")
    CONSOLE.print(shown)


def read(section: str, *, args: argparse.Namespace) -> dict[str, Any]:
    """Return what the result file has of a section; {} where it has nothing."""
    path = args.json or FILE
    return dict(json.loads(path.read_text(encoding="utf-8")).get(section, {})) if path.is_file() else {}


def record(section: str, result: Mapping[str, Any], *, args: argparse.Namespace) -> None:
    """Put a section into the result file; quick ones are written only where ``--json`` says."""
    path = args.json or (None if args.quick else FILE)
    if path is None:
        return
    whole = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole | {section: result}, indent=1) + "\n", encoding="utf-8")
    CONSOLE.print(f"written to {path}")
