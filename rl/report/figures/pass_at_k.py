"""pass@k against k, before and after training, with a forecast beyond the samples drawn."""

from collections.abc import Sequence
from functools import lru_cache

import plotly.graph_objects as go

from planner.estimators.counts_file import CountRow
from planner.forecast import shipped
from rl.commands.passk import cells_of
from rl.commands.passk_cell import Cell
from rl.report.figures.curves import escaped
from rl.report.figures.series import CONFIDENCE, brief
from rl.report.figures.style import band, blank, colour
from rl.views.evaluations import Counts
from rl.views.run_view import RunView

BEYOND = (8,)
"""Where the forecast is drawn, as multiples of the samples of a problem; each takes a second or more."""


def draw(runs: Sequence[RunView]) -> go.Figure | None:
    """Each run's last evaluation at the main temperature; of a single run the first one too."""
    curves = {
        name: counts for run in runs for name, counts in _first_and_last(run, both=len(runs) == 1).items()
    }
    if not curves:
        return None
    figure = blank(x="k", y="pass@k")
    for number, (name, counts) in enumerate(curves.items()):
        _add(figure, _cells(counts), name=name, shade=colour(number))
    ticks = sorted({k for trace in figure.data for k in trace.x})
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{k:,}" for k in ticks])
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%")
    return figure


def _first_and_last(run: RunView, *, both: bool) -> dict[str, Counts]:
    main = run.setting("evaluation.temperature", 1.0)
    found = [
        counts
        for counts in run.evaluations()
        if counts.sampling.temperature == main > 0 and any(row["n"] for row in counts.rows)
    ]
    if not found:
        return {}
    chosen = [found[0], found[-1]] if both and len(found) > 1 else found[-1:]
    return {
        f"after {one.version} steps" if both else f"{run.name}, after {one.version} steps": one
        for one in chosen
    }


def _cells(counts: Counts) -> list[Cell]:
    return _curve(tuple((row["n"], row["c"]) for row in counts.rows if row["n"]))


@lru_cache(maxsize=32)
def _curve(problems: tuple[tuple[int, int], ...]) -> list[Cell]:
    """Kept, since the live page draws the same evaluation again and again."""
    rows = [CountRow(id=str(i), n=n, c=c, category=None) for i, (n, c) in enumerate(problems)]
    fewest = min(row.n for row in rows)
    ks = [1 << place for place in range(fewest.bit_length())] + [fewest * times for times in BEYOND]
    return cells_of("all", rows, ks, CONFIDENCE, shipped())


def _add(figure: go.Figure, cells: list[Cell], *, name: str, shade: str) -> None:
    measured = [cell for cell in cells if not cell.forecast]
    beyond = measured[-1:] + [cell for cell in cells if cell.forecast]
    low, high = brief([cell.low for cell in cells]), brief([cell.high for cell in cells])
    band(figure, [cell.k for cell in cells], low, high, shade=shade, group=name, opacity=0.14)
    for part, style, what in ((measured, "solid", "measured"), (beyond, "dot", "forecast")):
        if part is beyond and len(beyond) < 2:
            continue
        figure.add_scatter(
            x=[cell.k for cell in part],
            y=brief([cell.value for cell in part]),
            customdata=[brief([cell.low, cell.high]) for cell in part],
            mode="lines+markers",
            line={"color": shade, "width": 2, "dash": style},
            marker={"size": 6, "symbol": "circle" if part is measured else "circle-open"},
            name=name,
            legendgroup=name,
            showlegend=part is measured,
            hovertemplate=(
                "pass@%{x}: %{y:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})"
                f"<extra>{escaped(name)}, {what}</extra>"
            ),
        )
