"""Reasons that rewards gave for their verdicts, over stretches of the training."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from rl.commands.curriculum.bins import stretches
from rl.report.figures.curves import escaped
from rl.report.figures.series import brief
from rl.report.figures.style import blank, colour
from rl.views.run_view import RunView

BARS = 40
MOST = 7
"""Reasons with a colour of their own."""
LONGEST = 60
OTHER = "none given, or a rarer one"


def draw(runs: Sequence[RunView]) -> go.Figure | None:
    """Share of the first run's rollouts by the reason that their reward gave; the most frequent ones."""
    table = runs[0].rollouts(columns=["step", "reason"])
    reasons = np.array([reason or "" for reason in table["reason"].to_pylist()])
    if not (reasons != "").any():
        return None
    step = table["step"].to_numpy()
    common = [reason for reason, _ in Counter(reasons[reasons != ""].tolist()).most_common(MOST)]
    steps = np.unique(step)
    parts = [steps[part.start : part.stop] for part in stretches(len(steps), lines=BARS)]
    members = [reasons[(step >= part[0]) & (step <= part[-1])] for part in parts]
    shares = {reason: [float(np.mean(found == reason)) for found in members] for reason in common}
    rest = [1 - sum(values[i] for values in shares.values()) for i in range(len(parts))]
    if max(rest) > 1e-9:
        shares[OTHER] = rest
    figure = blank(x="step", y="share of rollouts", barmode="stack", bargap=0.05, showlegend=True)
    for number, (reason, values) in enumerate(shares.items()):
        short = reason if len(reason) <= LONGEST else reason[: LONGEST - 1] + "…"
        figure.add_bar(
            x=[int(part[0]) for part in parts],
            y=brief(values, 3),
            marker={"color": colour(7 if reason == OTHER else number)},
            name=escaped(short),
            hovertemplate=f"from step %{{x}}: %{{y:.1%}} {escaped(short)}<extra></extra>",
        )
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    return figure
