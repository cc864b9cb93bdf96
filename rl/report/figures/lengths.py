"""Lengths of right and wrong completions, over stretches of the training."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from rl.commands.curriculum.bins import label, stretches
from rl.report.figures.series import brief
from rl.report.figures.style import BAD, GOOD, blank, veil
from rl.views.run_view import RunView

BOXES = 8
FEWEST = 5
"""Completions of a box."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def draw(runs: Sequence[RunView]) -> go.Figure | None:
    """Boxes of the lengths of the first run's rollouts, right and wrong side by side."""
    table = runs[0].rollouts(columns=["step", "length", "correct"])
    table = table.filter(table["correct"].is_valid())
    if not table.num_rows:
        return None
    step, length = table["step"].to_numpy(), table["length"].to_numpy()
    right = table["correct"].to_numpy().astype(bool)
    steps = np.unique(step)
    parts = [steps[part.start : part.stop] for part in stretches(len(steps), lines=BOXES)]
    figure = blank(x="steps", y="tokens", boxmode="group")
    for name, chosen, shade in (("right", right, GOOD), ("wrong", ~right, BAD)):
        boxes = {
            label(part.tolist()): np.quantile(values, QUANTILES)
            for part in parts
            if len(values := length[chosen & (step >= part[0]) & (step <= part[-1])]) >= FEWEST
        }
        if boxes:
            low, q1, median, q3, high = (brief(edge) for edge in np.array(list(boxes.values())).T)
            figure.add_box(
                x=list(boxes),
                lowerfence=low,
                q1=q1,
                median=median,
                q3=q3,
                upperfence=high,
                name=name,
                marker={"color": shade},
                fillcolor=veil(shade, 0.3),
                line={"width": 1.5},
            )
    figure.update_xaxes(type="category", categoryarray=[label(part.tolist()) for part in parts])
    return figure if figure.data else None
