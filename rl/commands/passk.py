"""The computation and the tables behind ``t2rl passk``."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from planner.estimators.counts_file import CountRow, read_counts_file
from planner.estimators.intervals import benchmark_pass_at_k
from planner.forecast import Reference, forecast, from_counts, shipped
from rl.commands.passk_cell import Cell

ALL = "all"


def passk_cli(
    path: Path,
    ks: str,
    *,
    confidence: float,
    temperature: float | None,
    reference: Sequence[Path],
    plot: Path | None,
    as_json: bool,
) -> None:
    """Read, compute, print, draw.

    Raises:
        ValueError: the user's input, with the line of the file it is about.
    """
    if plot is not None and plot.suffix not in (".png", ".svg"):
        raise ValueError(f"--plot {plot}: name a .png or .svg file")
    if plot is not None and not plot.parent.is_dir():
        raise ValueError(f"--plot {plot}: there is no directory {plot.parent}; make it first")
    rows = read_counts_file(path, temperature=temperature)
    grid = _grid(ks, min(row.n for row in rows))
    prior = _reference(reference, {row.id for row in rows}) if reference else shipped()
    cells = [
        cell
        for name, members in _sets(rows).items()
        for cell in cells_of(name, members, grid, confidence, prior)
    ]
    if as_json:
        print(
            json.dumps(
                {"file": str(path), "confidence": confidence, "rows": [cell.plain() for cell in cells]}
            )
        )
    else:
        _show(path, cells, confidence)
    if plot is not None:
        from rl.commands.passk_plot import draw

        draw(cells, plot, title=path.name, confidence=confidence)


def _grid(text: str, smallest: int) -> list[int]:
    """The k asked for; else powers of two up to the smallest n."""
    if not text.strip():
        return [1 << i for i in range(smallest.bit_length())]
    try:
        ks = sorted({int(part) for part in text.split(",")})
    except ValueError as error:
        raise ValueError(f"--k {text}: whole numbers with commas between, such as 1,8,64,256") from error
    if ks[0] < 1:
        raise ValueError(f"--k {text}: every k is 1 or more")
    return ks


def _reference(paths: Sequence[Path], problems: set[str]) -> Reference:
    """The narrow reference; says so where its ids show that it is of other problems, since it is then worse
    than none."""
    files = {str(path): read_counts_file(path) for path in paths}
    foreign = [path for path, rows in files.items() if problems.isdisjoint(row.id for row in rows)]
    if foreign:
        print(
            f"--reference {foreign[0]}: none of its problem ids is in the counts. A reference from another"
            " benchmark is worse than none: in trials it erred by .128 where the packaged one erred by .063,"
            " and its 90% intervals covered .36. Leave --reference out unless the problems are the same"
            " under other ids",
            file=sys.stderr,
        )
    return from_counts(
        {name: ([row.n for row in rows], [row.c for row in rows]) for name, rows in files.items()}
    )


def _sets(rows: list[CountRow]) -> dict[str, list[CountRow]]:
    """All problems, then each category; problems without one are in none."""
    categories = sorted({row.category for row in rows if row.category is not None})
    return {ALL: rows, **{name: [row for row in rows if row.category == name] for name in categories}}


def cells_of(
    name: str, rows: list[CountRow], ks: list[int], confidence: float, prior: Reference
) -> list[Cell]:
    """pass@k of one set of problems for each k, unbiased up to the smallest n and a forecast beyond."""
    n, c = [row.n for row in rows], [row.c for row in rows]
    last = benchmark_pass_at_k(n, c, min(n), confidence=confidence)
    cells = []
    for k in ks:
        beyond = k > min(n)
        if beyond:
            found = forecast(
                list(zip(n, c, strict=True)), k, prior=prior, confidence=confidence, problems="like these"
            )
            # No limit of pass@k falls with k, so none lies below the last one that needed no model.
            value, low, high, models = (
                found.value,
                max(found.low, last.low),
                max(found.high, last.high),
                dict(found.models),
            )
        else:
            figure = benchmark_pass_at_k(n, c, k, confidence=confidence)
            value, low, high, models = figure.value, figure.low, figure.high, {}
        cells.append(
            Cell(
                category=name,
                problems=len(rows),
                k=k,
                value=value,
                low=low,
                high=high,
                forecast=beyond,
                models=models,
            )
        )
    return cells


def _show(path: Path, cells: list[Cell], confidence: float) -> None:
    console = Console(width=110)
    table = Table("problems", "k", "pass@k", f"{confidence:.3g} interval", "", "models say", title=str(path))
    for cell in cells:
        facts = cell.plain()
        between = f"{facts['model_low']:.3f} to {facts['model_high']:.3f}" if cell.forecast else ""
        table.add_row(
            f"{cell.category} ({cell.problems})",
            str(cell.k),
            f"{cell.value:.4f}",
            f"{cell.low:.4f} to {cell.high:.4f}",
            "forecast" if cell.forecast else "",
            between,
            end_section=cell is cells[-1] or cells[cells.index(cell) + 1].category != cell.category,
        )
    console.print(table)
    if any(cell.forecast for cell in cells):
        console.print(
            "forecast: k is beyond the samples drawn. Its interval holds if difficulty is like the"
            " reference's; how far the models lie apart says how much hangs on that"
            " (docs/planner_estimators.md)."
        )
