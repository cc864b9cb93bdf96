"""The picture on a model card: reward in training, and held-out accuracy with intervals."""

import math
from pathlib import Path
from typing import Any

from planner.estimators.intervals import benchmark_pass_at_k
from rl.views.evaluations import Counts
from rl.views.run_view import RunView

WINDOW = 20
"""The training reward's line averages the last steps, this share of a run: one over it."""


def draw_curves(run: RunView, path: Path) -> bool:
    """Write ``path`` (.png); False, and no file, where a run has neither a step nor an evaluation."""
    rows = [row for row in run.metrics() if row.get("reward/mean") is not None]
    held_out = {
        label: [c for c in run.evaluations() if c.label == label and not math.isnan(c.pass_rate)]
        for label in dict.fromkeys(counts.label for counts in run.evaluations())
    }
    if not rows and not any(held_out.values()):
        return False
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9.0, 3.4), layout="constrained")
    steps, rewards = [row["step"] for row in rows], [row["reward/mean"] for row in rows]
    left.plot(steps, rewards, color="C0", alpha=0.3, linewidth=1)
    left.plot(steps, _smooth(rewards), color="C0")
    left.set(xlabel="step", title="reward in training (faint: each step)")
    for number, (label, counts) in enumerate(held_out.items()):
        _curve(right, counts, label=label, colour=f"C{number % 10}")
    right.set(xlabel="step", title="held-out accuracy, 95% intervals", ylim=(0, 1))
    if any(held_out.values()):
        right.legend(fontsize=8)
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.title.set_fontsize(9)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return True


def _curve(axes: Any, counts: list[Counts], *, label: str, colour: str) -> None:
    intervals = [
        benchmark_pass_at_k([r["n"] for r in rows], [r["c"] for r in rows], 1)
        for rows in ([row for row in c.rows if row["n"]] for c in counts)
    ]
    at = [c.version for c in counts]
    axes.plot(at, [i.value for i in intervals], "o-", color=colour, markersize=3, label=label)
    axes.fill_between(at, [i.low for i in intervals], [i.high for i in intervals], color=colour, alpha=0.15)


def _smooth(values: list[float]) -> list[float]:
    """Means of the values up to each, over a twentieth of the run at most."""
    width = max(1, len(values) // WINDOW)
    parts = (values[max(0, end - width) : end] for end in range(1, len(values) + 1))
    return [sum(part) / len(part) for part in parts]
