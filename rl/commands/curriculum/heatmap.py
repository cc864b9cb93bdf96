"""Category x step: which share of a run's rollouts went where. Data, files and a picture for the terminal."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from curricula.measures.tally import COLUMNS
from rl.commands.curriculum.bins import stretches
from rl.records.storage import require_file

GROUPS, ROLLOUTS, CORRECT, MIXED = (
    COLUMNS.index(name) for name in ("groups", "rollouts", "correct", "mixed")
)
SHADES = (235, 17, 18, 19, 26, 32, 37, 72, 107, 142, 178, 214, 220, 227)
"""256-colour codes from nothing to everything."""
MARKS = " .:-=+*#%@"
"""The same for a terminal without colours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Counts over steps; C categories, S steps."""

    steps: tuple[int, ...]
    categories: tuple[str, ...]
    counts: np.ndarray
    """[C, S, len(COLUMNS)] int64, columns as in ``curricula.measures.tally``."""

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> "HeatMap":
        """From tally rows ``{step, categories, ...}``, in order of step."""
        categories = tuple(sorted({name for row in rows for name in row["categories"]}))
        counts = np.zeros((len(categories), len(rows), len(COLUMNS)), dtype=np.int64)
        code = {name: c for c, name in enumerate(categories)}
        for s, row in enumerate(rows):
            for name, values in row["categories"].items():
                counts[code[name], s] = values
        return cls(steps=tuple(int(row["step"]) for row in rows), categories=categories, counts=counts)

    def share(self, column: int = ROLLOUTS) -> np.ndarray:
        """[C, S] of each step's total; 0 for a step without any."""
        values = self.counts[:, :, column].astype(np.float64)
        return values / np.maximum(values.sum(axis=0), 1.0)

    def pass_rate(self) -> np.ndarray:
        """[C, S] of the rollouts drawn; NaN where there were none."""
        drawn = self.counts[:, :, ROLLOUTS]
        return np.divide(self.counts[:, :, CORRECT], drawn, out=np.full(drawn.shape, np.nan), where=drawn > 0)

    def records(self) -> list[dict[str, Any]]:
        """One row for each step and category: shares, pass rate (None without rollouts), and the counts."""
        shares, prompts, rates = self.share(), self.share(GROUPS), self.pass_rate()
        return [
            {
                "step": step,
                "category": name,
                "rollout_share": round(float(shares[c, s]), 6),
                "prompt_share": round(float(prompts[c, s]), 6),
                "pass_rate": None if np.isnan(rates[c, s]) else round(float(rates[c, s]), 6),
                **{column: int(value) for column, value in zip(COLUMNS, self.counts[c, s], strict=True)},
            }
            for s, step in enumerate(self.steps)
            for c, name in enumerate(self.categories)
        ]

    def write(self, path: Path) -> None:
        """As CSV or JSON, by the file's suffix.

        Raises:
            ValueError: for another suffix.
        """
        check_suffix(path)
        records = self.records()
        if path.suffix == ".json":
            path.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
            return
        text = io.StringIO()
        writer = csv.DictWriter(
            text, ["step", "category", "rollout_share", "prompt_share", "pass_rate", *COLUMNS]
        )
        writer.writeheader()
        writer.writerows(records)
        path.write_text(text.getvalue(), encoding="utf-8")

    def picture(self, *, width: int, colour: bool) -> Group:
        """At most ``width`` cells a line; a cell is the mean of the steps it stands for."""
        parts = stretches(len(self.steps), lines=width)
        shares = self.share()
        out = Table(show_header=False, box=None, padding=(0, 1))
        for c, name in enumerate(self.categories):
            means = [float(shares[c, part.start : part.stop].mean()) for part in parts]
            out.add_row(name, _cells(means, colour=colour), f"{means[0]:.0%} -> {means[-1]:.0%}")
        first, last = str(self.steps[0]), str(self.steps[-1])
        axis = first + last.rjust(max(len(parts) - len(first), len(last) + 1))
        out.add_row("[dim]step[/]", Text(axis, style="dim"), "[dim]first -> last[/]")
        return Group("share of rollouts, category x step", out)


def check_suffix(path: Path) -> None:
    """Before any work is done.

    Raises:
        ValueError: the file is neither CSV nor JSON, or cannot be written there.
    """
    if path.suffix not in (".csv", ".json"):
        raise ValueError(f"--heatmap {path}: its name must end in .csv or .json")
    require_file(path, field="--heatmap")


def _cells(values: Sequence[float], *, colour: bool) -> Text:
    text = Text()
    for value in values:
        if colour:
            text.append(" ", style=f"on color({SHADES[min(int(value * len(SHADES)), len(SHADES) - 1)]})")
        else:
            text.append(MARKS[min(int(value * len(MARKS)), len(MARKS) - 1)])
    return text
