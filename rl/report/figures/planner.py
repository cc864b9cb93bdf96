"""The planner's targets and prices over the steps."""

from collections.abc import Sequence

import plotly.graph_objects as go

from rl.report.figures.curves import add_curve
from rl.report.figures.series import keys_under, steps_of
from rl.report.figures.style import blank, colour, dash
from rl.views.run_view import RunView

TARGET = "planner/k/"
MOST = 8
"""Categories drawn; more would not be told apart."""


def targets(runs: Sequence[RunView]) -> go.Figure | None:
    """k* of each category, and the mean over prompts."""
    keys = {key: key.removeprefix(TARGET) for key in keys_under(runs, TARGET)[:MOST]}
    lines = {"planner/k_mean": "mean over prompts", **keys}
    figure = blank(x="step", y="k*")
    several = sum(bool(len(steps_of(run, "planner/k_mean"))) for run in runs) > 1
    for number, run in enumerate(runs):
        for place, (key, name) in enumerate(lines.items()):
            series = steps_of(run, key)
            if len(series):
                shade = colour(number if several else place)
                label = f"{run.name} {name}" if len(runs) > 1 else name
                add_curve(figure, series, name=label, shade=shade, style=dash(place if several else 0))
    return figure if figure.data else None
