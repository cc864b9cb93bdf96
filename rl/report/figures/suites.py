"""Suites over the training: each evaluation's change against the first one, on the same problems."""

from collections.abc import Sequence

import plotly.graph_objects as go

from rl.evaluation.suite_results import BITS, suite_lines
from rl.report.figures.series import brief
from rl.report.figures.style import BAD, GOOD, blank, colour
from rl.views.run_view import RunView

NEUTRAL = colour(7)


def draw(runs: Sequence[RunView]) -> go.Figure | None:
    """After minus before of every suite of the first run, with the interval of the paired difference; green
    where it is better, orange where it is worse, grey where 0 is inside."""
    run = runs[0]
    lines = suite_lines(run.files.eval, upto=run.steps_done)
    if not lines:
        return None
    names = [
        f"{line.suite}: {line.metric} ({line.before.value:.3f} to {line.after.value:.3f})" for line in lines
    ]
    shades = [NEUTRAL if line.better is None else GOOD if line.better else BAD for line in lines]
    figure = blank(x="after minus before", y="", height=140 + 28 * len(lines), showlegend=False)
    for name, line, shade in zip(names, lines, shades, strict=True):
        moved = line.difference
        figure.add_scatter(
            x=brief([moved.value]),
            y=[name],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": brief([moved.high - moved.value]),
                "arrayminus": brief([moved.value - moved.low]),
                "thickness": 1.5,
                "width": 3,
                "color": shade,
            },
            mode="markers",
            marker={"size": 9, "color": shade},
            name=name,
            hovertemplate=f"%{{y}}: %{{x:+.3f}}, {line.problems} problems"
            f"{', lower is likelier' if line.metric == BITS else ''}<extra></extra>",
        )
    figure.add_vline(x=0, line={"width": 1, "color": NEUTRAL})
    figure.update_yaxes(autorange="reversed", type="category")
    return figure
