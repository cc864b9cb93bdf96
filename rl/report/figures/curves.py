"""Metrics over the steps: lines with the interval of their mean, one colour a run."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from rl.report.figures.figure import Draw
from rl.report.figures.series import Series, Smoothed, brief, smoothed, steps_of, thinned
from rl.report.figures.style import band, blank, colour, dash
from rl.views.run_view import RunView

FEW = 10
"""Steps of a run whose axis has a mark for each."""


def over_steps(lines: Mapping[str, str], *, y: str, share: bool = False, log: bool = False) -> Draw:
    """A figure of one or more metrics, ``{key: its name in the legend}``.

    Args:
        lines: the metrics; a run without any of them is left out.
        y: name of the axis with its unit.
        share: the axis runs from 0 to 1.
        log: the axis is logarithmic, if all values are above 0.
    """

    def draw(runs: Sequence[RunView]) -> go.Figure | None:
        figure = blank(x="step", y=y)
        smallest = []
        for number, run in enumerate(runs):
            for place, (key, name) in enumerate(lines.items()):
                series = steps_of(run, key)
                if not len(series):
                    continue
                smallest.append(series.y.min())
                shade = colour(number if len(runs) > 1 else place)
                label = " ".join(
                    part
                    for part in (run.name if len(runs) > 1 else "", name if len(lines) > 1 else "")
                    if part
                )
                add_curve(figure, series, name=label or name, shade=shade, style=dash(place))
        if not figure.data:
            return None
        figure.update_layout(showlegend=len(runs) > 1 or len(lines) > 1)
        if max(run.steps_done for run in runs) <= FEW:
            figure.update_xaxes(dtick=1)
        if share:
            figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%")
        elif log and min(smallest) > 0:
            figure.update_yaxes(type="log")
        return figure

    return draw


def add_curve(
    figure: go.Figure, series: Series, *, name: str, shade: str, style: str = "solid", form: str = ".4g"
) -> Smoothed:
    """A line, its band, and faint dots of the steps behind it."""
    line = smoothed(series)
    x = brief(line.x)
    if line.window > 1:
        dots = thinned(series)
        figure.add_scatter(
            x=brief(dots.x),
            y=brief(dots.y),
            mode="markers",
            marker={"size": 3, "color": shade, "opacity": 0.3},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
            name=name,
        )
        band(figure, x, brief(line.low), brief(line.high), shade=shade, group=name)
    figure.add_scatter(
        x=x,
        y=brief(line.mean),
        mode="lines" if line.window > 1 else "lines+markers",
        line={"color": shade, "width": 2, "dash": style},
        name=name,
        legendgroup=name,
        hovertemplate=f"%{{x}}: %{{y:{form}}}<extra>{escaped(name)}</extra>",
    )
    return line


def escaped(name: str) -> str:
    """A name as plotly's hover text, which reads some HTML and %{...}."""
    return name.replace("&", "&amp;").replace("<", "&lt;").replace("%", "&#37;")
