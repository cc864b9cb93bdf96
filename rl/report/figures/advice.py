"""When which advice was given."""

from collections.abc import Sequence

import plotly.graph_objects as go

from rl.report.figures.curves import escaped
from rl.report.figures.style import blank, colour
from rl.views.run_view import RunView

LONGEST = 240
"""Characters of a text in the hover."""


def draw(runs: Sequence[RunView]) -> go.Figure | None:
    """A mark for each advice: its step, and its name as the row."""
    found = {run.name: run.advisories() for run in runs}
    names = list(dict.fromkeys(str(row["name"]) for rows in found.values() for row in rows))
    if not names:
        return None
    figure = blank(x="step", y="", height=130 + 26 * len(names), showlegend=len(runs) > 1)
    for number, (run, rows) in enumerate(found.items()):
        figure.add_scatter(
            x=[row["step"] for row in rows],
            y=[str(row["name"]).replace("_", " ") for row in rows],
            text=[_wrapped(str(row.get("text") or "")) for row in rows],
            mode="markers",
            marker={"size": 11, "symbol": "diamond", "color": colour(3 if len(runs) == 1 else number)},
            name=run,
            hovertemplate="step %{x}: %{y}<br>%{text}<extra></extra>",
        )
    last = max(run.steps_done for run in runs)
    figure.update_xaxes(range=[-0.02 * last - 0.5, 1.02 * last + 0.5])
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def _wrapped(text: str, width: int = 60) -> str:
    words, lines = text[:LONGEST].split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += f"{word} "
    return "<br>".join(escaped(line.strip()) for line in lines)
