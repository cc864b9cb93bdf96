"""Runs against each other at equal tokens and at equal wall-clock."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import plotly.graph_objects as go

from rl.report.figures.curves import add_curve, escaped
from rl.report.figures.figure import Draw
from rl.report.figures.held_out import curves
from rl.report.figures.series import Series, brief, is_number
from rl.report.figures.style import blank, colour
from rl.views.run_view import RunView

Budget = Literal["tokens", "seconds"]
AXES: dict[Budget, str] = {"tokens": "tokens sampled", "seconds": "seconds of training"}


def against(budget: Budget) -> Draw:
    """Held-out pass@1 and the pass rate in training over what was spent; a budget that one run alone reached
    is shaded. None unless two runs or more have it."""

    def draw(runs: Sequence[RunView]) -> go.Figure | None:
        if len(runs) < 2 or sum(len(spent(run, budget)) > 1 for run in runs) < 2:
            return None
        figure = blank(x=AXES[budget], y="share right", height=360)
        for number, run in enumerate(runs):
            series = spent(run, budget)
            if len(series) < 2:
                continue
            rate = _rate_over(run, series)
            if len(rate):
                add_curve(figure, rate, name=f"{run.name}, in training", shade=colour(number), style="dot")
            _add_held_out(figure, run, series, shade=colour(number))
        common = common_budget(runs, budget)
        most = max(float(series.y[-1]) for run in runs if len(series := spent(run, budget)))
        figure.add_vline(x=common, line={"dash": "dash", "width": 1, "color": colour(7)})
        figure.add_annotation(
            x=common,
            y=1,
            yref="paper",
            yanchor="top",
            xanchor="right" if common > 0.5 * most else "left",
            showarrow=False,
            text="all runs came this far",
            font={"size": 11},
        )
        figure.update_xaxes(rangemode="tozero")
        figure.update_yaxes(tickformat=".0%")
        return figure

    return draw


def spent(run: RunView, budget: Budget) -> Series:
    """[S] what was spent when each step ended; x is the number of steps done."""
    rows = run.metrics()
    done = np.array([row["step"] + 1 for row in rows], dtype=float)
    if budget == "tokens":
        known = [is_number(row.get("rollout/total_tokens")) for row in rows]
        values = [row["rollout/total_tokens"] for row, there in zip(rows, known, strict=True) if there]
        return Series(done[np.array(known, dtype=bool)], np.array(values, dtype=float))
    if not any(row.get("time/step_s") for row in rows):
        return Series(np.array([]), np.array([]))
    return Series(done, np.cumsum([row.get("time/step_s") or 0.0 for row in rows]))


def common_budget(runs: Sequence[RunView], budget: Budget) -> float:
    """The most that every run with a budget has spent."""
    return min(float(series.y[-1]) for run in runs if len(series := spent(run, budget)) > 1)


def spent_at(series: Series, version: int) -> float:
    """Tokens or seconds when so many steps were done; 0 before the first."""
    return float(np.interp(version, [0.0, *series.x], [0.0, *series.y]))


def _rate_over(run: RunView, series: Series) -> Series:
    key = "reward/pass_rate"
    rates = {row["step"] + 1: row[key] for row in run.metrics() if is_number(row.get(key))}
    places = [i for i, done in enumerate(series.x) if done in rates]
    return Series(series.y[places], np.array([rates[series.x[i]] for i in places]))


def _add_held_out(figure: go.Figure, run: RunView, series: Series, *, shade: str) -> None:
    points = curves(run).get("pass@1", [])
    if not points:
        return
    name = f"{run.name}, held-out pass@1"
    figure.add_scatter(
        x=brief([spent_at(series, point.version) for point in points]),
        y=brief([point.interval.value for point in points]),
        error_y={
            "type": "data",
            "symmetric": False,
            "array": brief([point.interval.high - point.interval.value for point in points]),
            "arrayminus": brief([point.interval.value - point.interval.low for point in points]),
            "thickness": 1.5,
            "width": 3,
            "color": shade,
        },
        mode="lines+markers",
        line={"color": shade, "width": 2},
        marker={"size": 8},
        name=name,
        hovertemplate=f"%{{x:,.4s}}: %{{y:.1%}}<extra>{escaped(name)}</extra>",
    )
