"""Held-out results before and after training, category by category."""

from collections.abc import Sequence

import plotly.graph_objects as go

from planner.estimators.bootstrap import Interval
from rl.evaluation.summary import REWARD, SummaryLine
from rl.report.figures.series import brief
from rl.report.figures.style import blank, colour
from rl.report.results import results_of
from rl.views.run_view import RunView

MOST = 40
"""Lines; overall ones come first, and summary.json has all."""


def draw(runs: Sequence[RunView]) -> go.Figure | None:
    """Points with intervals of the first run: overall at every sampling config, categories at the first."""
    results = results_of(runs[0])
    if results is None:
        return None
    lines = [line for line in results.summary.lines if line.metric != REWARD]
    main = lines[0].temperature
    lines = [line for line in lines if line.category == lines[0].category or line.temperature == main][:MOST]
    names = [_name(line, main) for line in lines]
    figure = blank(x="share of problems", y="", height=120 + 24 * len(lines))
    if any(line.before is not None for line in lines):
        before = [(name, line.before) for name, line in zip(names, lines, strict=True) if line.before]
        _add(figure, before, name=f"after {results.first} steps", shade=colour(7), symbol="circle-open")
    after = [(name, line.after) for name, line in zip(names, lines, strict=True)]
    _add(figure, after, name=f"after {results.last} steps", shade=colour(0), symbol="circle")
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%")
    return figure


def _name(line: SummaryLine, main: float) -> str:
    at = "" if line.temperature in (0, main) else f" at T={line.temperature:g}"
    return f"{line.category}: {line.metric}{at}"


def _add(
    figure: go.Figure, points: list[tuple[str, Interval]], *, name: str, shade: str, symbol: str
) -> None:
    values = [interval.value for _, interval in points]
    figure.add_scatter(
        x=brief(values),
        y=[label for label, _ in points],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": brief([interval.high - interval.value for _, interval in points]),
            "arrayminus": brief([interval.value - interval.low for _, interval in points]),
            "thickness": 1.5,
            "width": 3,
            "color": shade,
        },
        mode="markers",
        marker={"size": 9, "color": shade, "symbol": symbol, "line": {"width": 2, "color": shade}},
        name=name,
        hovertemplate="%{y}: %{x:.1%}<extra>" + name + "</extra>",
    )
