"""Where the time of a step goes, and how fast tokens come."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from rl.report.figures.curves import escaped
from rl.report.figures.series import Series, brief, thinned
from rl.report.figures.style import blank, colour, veil
from rl.views.run_view import RunView

PARTS = {
    "time/learner_wait_s": "waiting for rollouts",
    "time/train_s": "update",
    "time/publish_s": "writing weights out",
    "time/save_s": "checkpoint",
}
"""Parts of ``time/step_s``, which has no evaluation in it."""
REST = "other"


def breakdown(runs: Sequence[RunView]) -> go.Figure | None:
    """Stacked seconds of a step, of the first run."""
    parts = seconds(runs[0])
    if not parts:
        return None
    figure = blank(x="step", y="seconds a step", hovermode="x unified")
    for number, (name, series) in enumerate(parts.items()):
        line = thinned(series, 200)
        figure.add_scatter(
            x=brief(line.x),
            y=brief(line.y, 4),
            stackgroup="step",
            mode="lines",
            line={"width": 0.5, "color": colour(number)},
            fillcolor=veil(colour(number), 0.75),
            name=name,
            hovertemplate=f"%{{y:.3g}} s {escaped(name)}<extra></extra>",
        )
    return figure


def seconds(run: RunView) -> dict[str, Series]:
    """[S] seconds of each part of a step, and of what is in none of them; {} without step times."""
    rows = [row for row in run.metrics() if row.get("time/step_s")]
    if not rows:
        return {}
    steps = np.array([row["step"] for row in rows])
    parts = {name: np.array([row.get(key) or 0.0 for row in rows]) for key, name in PARTS.items()}
    whole = np.array([row["time/step_s"] for row in rows])
    parts[REST] = np.maximum(whole - sum(parts.values()), 0.0)
    return {name: Series(steps, values) for name, values in parts.items() if values.any()}
