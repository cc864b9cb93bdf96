"""Counts over the steps as bars on top of each other: groups that were lost, and what became of tokens."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from rl.report.figures.curves import escaped
from rl.report.figures.series import brief, keys_under
from rl.report.figures.style import blank, colour
from rl.views.run_view import RunView

BARS = 60
"""Along the axis; a run with more steps shows means of neighbouring ones."""
PREFIXES = {"rollout/dropped_": "dropped: ", "rollout/reissued_": "sampled again: "}


def lost(runs: Sequence[RunView]) -> go.Figure | None:
    """Groups a step by the reason why they were dropped, or sampled again, of the first run."""
    names = {
        key: text + key.removeprefix(prefix).replace("_", " ")
        for prefix, text in PREFIXES.items()
        for key in keys_under(runs[:1], prefix)
    }
    return stacked(runs[0], names, y="groups a step")


def tokens(runs: Sequence[RunView]) -> go.Figure | None:
    """Tokens of a step by what became of them, of the first run."""
    names = {
        "cost/trained_tokens": "trained",
        "cost/discarded_tokens": "discarded",
        "cost/prompt_tokens": "prompts",
    }
    return stacked(runs[0], names, y="tokens a step")


def stacked(run: RunView, names: Mapping[str, str], *, y: str) -> go.Figure | None:
    """Bars of the metrics ``{key: its name in the legend}``; None if all are 0 throughout."""
    rows = run.metrics()
    if not rows:
        return None
    edges = np.unique(np.linspace(0, len(rows), min(len(rows), BARS) + 1).round().astype(int))
    figure = blank(x="step", y=y, barmode="stack", bargap=0.1)
    for number, (key, name) in enumerate(names.items()):
        values = np.array([row.get(key) or 0.0 for row in rows], dtype=float)
        if not values.any():
            continue
        figure.add_bar(
            x=[rows[start]["step"] for start in edges[:-1]],
            y=brief(np.add.reduceat(values, edges[:-1]) / np.diff(edges), 4),
            marker={"color": colour(number)},
            name=name,
            hovertemplate=f"from step %{{x}}: %{{y:.3g}} {escaped(name)}<extra></extra>",
        )
    figure.update_layout(showlegend=True)
    return figure if figure.data else None
