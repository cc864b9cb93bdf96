"""pass@k of the held-out problems over the training, with bootstrap intervals over problems."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from planner.estimators.bootstrap import Interval
from planner.estimators.intervals import benchmark_pass_at_k
from rl.report.figures.curves import escaped
from rl.report.figures.series import brief
from rl.report.figures.style import band, blank, colour, dash
from rl.views.evaluations import Counts
from rl.views.rows import Row
from rl.views.run_view import RunView

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Point:
    """pass@k of one version."""

    version: int
    interval: Interval


def draw(runs: Sequence[RunView]) -> go.Figure | None:
    """pass@k for each k that the run was evaluated for, and greedy accuracy; x is the steps done."""
    figure = blank(x="steps done", y="share of problems")
    for number, run in enumerate(runs):
        for place, (name, points) in enumerate(curves(run).items()):
            shade = colour(number if len(runs) > 1 else place)
            label = f"{run.name} {name}" if len(runs) > 1 else name
            _add(figure, points, name=label, shade=shade, style=dash(place))
    if not figure.data:
        return None
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%")
    return figure


def curves(run: RunView) -> dict[str, list[Point]]:
    """``pass@k`` at the main temperature and ``greedy`` -> a point for each evaluation that has it, in the
    lineage of the newest weights."""
    main = run.setting("evaluation.temperature", 1.0)
    ks = run.setting("evaluation.ks", [1])
    found: dict[str, list[Point]] = {}
    for counts in run.evaluations():
        if counts.greedy and judged(counts, 1):
            found.setdefault("greedy", []).append(Point(counts.version, pass_at(counts, 1)))
        elif counts.sampling.temperature == main:
            for k in ks:
                if judged(counts, k):
                    found.setdefault(f"pass@{k}", []).append(Point(counts.version, pass_at(counts, k)))
    return {name: found[name] for name in sorted(found, key=_order)}


def pass_at(counts: Counts, k: int, *, category: str | None = None) -> Interval:
    """pass@k over the problems with k judged completions, with its 95% bootstrap interval.

    Raises:
        ValueError: there is no such problem.
    """
    rows = [row for row in judged(counts, k) if category in (None, row["category"])]
    return benchmark_pass_at_k([row["n"] for row in rows], [row["c"] for row in rows], k, resamples=RESAMPLES)


def judged(counts: Counts, k: int) -> list[Row]:
    """The problems of which at least k completions were judged."""
    return [row for row in counts.rows if row["n"] >= k]


def _order(name: str) -> tuple[bool, int]:
    return (name == "greedy", int(name.rpartition("@")[2]) if "@" in name else 0)


def _add(figure: go.Figure, points: list[Point], *, name: str, shade: str, style: str) -> None:
    x = [point.version for point in points]
    low = brief([point.interval.low for point in points])
    high = brief([point.interval.high for point in points])
    band(figure, x, low, high, shade=shade, group=name, opacity=0.14)
    figure.add_scatter(
        x=x,
        y=brief([point.interval.value for point in points]),
        customdata=list(zip(low, high, strict=True)),
        mode="lines+markers",
        line={"color": shade, "width": 2, "dash": style},
        marker={"size": 6},
        name=name,
        legendgroup=name,
        hovertemplate=(
            "after %{x} steps: %{y:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})"
            f"<extra>{escaped(name)}</extra>"
        ),
    )
