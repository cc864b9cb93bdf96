"""Heat maps of what a curriculum did, category by step."""

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go

from rl.commands.curriculum.bins import stretches
from rl.commands.curriculum.heatmap import GROUPS, ROLLOUTS, HeatMap
from rl.report.figures.figure import Draw
from rl.report.figures.series import brief
from rl.report.figures.style import SCALE, blank
from rl.views.run_view import RunView

CELLS = 60
"""Columns; a run with more steps shows means of neighbouring ones."""


def drawn(heat: HeatMap) -> np.ndarray:
    """[C, S] share of the step's prompts."""
    return heat.share(GROUPS)


def allocated(heat: HeatMap) -> np.ndarray:
    """[C, S] share of the step's rollouts."""
    return heat.share(ROLLOUTS)


def pass_rate(heat: HeatMap) -> np.ndarray:
    """[C, S] share right; NaN without rollouts."""
    return heat.pass_rate()


def heat_map(values: Callable[[HeatMap], np.ndarray], label: str, *, whole: bool = False) -> Draw:
    """Category by step, of the first run.

    Args:
        values: [C, S] of a heat map.
        label: beside the colours.
        whole: the colours run from 0 to 1, not to the largest value.
    """

    def draw(runs: Sequence[RunView]) -> go.Figure | None:
        choices = runs[0].choices()
        heat = HeatMap.of(choices) if choices else None
        if heat is None or not heat.categories:
            return None
        parts = stretches(len(heat.steps), lines=CELLS)
        cells = values(heat)
        means = [[_mean(row[part.start : part.stop]) for part in parts] for row in cells]
        figure = blank(x="step", y="", height=120 + 26 * len(heat.categories))
        figure.add_heatmap(
            x=[heat.steps[part.start] for part in parts],
            y=[_short(name) for name in heat.categories],
            z=[brief(row, 3) for row in means],
            zmin=0,
            zmax=1 if whole else None,
            colorscale=SCALE,
            colorbar={"tickformat": ".0%", "thickness": 10, "outlinewidth": 0},
            xgap=1 if len(parts) < 60 else 0,
            ygap=1,
            hovertemplate=f"%{{y}}, step %{{x}}: %{{z:.1%}} {label}<extra></extra>",
            hoverongaps=False,
        )
        figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
        figure.update_xaxes(showgrid=False)
        return figure

    return draw


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _short(name: str, most: int = 22) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
