"""Runs against each other."""

from rl.report.figures.equal_budget import against
from rl.report.figures.figure import Figure

FIGURES: dict[str, Figure] = {
    "equal_tokens": Figure(
        section="compare",
        title="At equal tokens",
        caption=(
            "Solid with intervals: held-out pass@1. Dotted: pass rate in training, which depends on"
            " the prompts drawn. Read the curves at the same place on the axis, left of the dashed"
            " line."
        ),
        draw=against("tokens"),
        absent="a comparison needs two runs or more that count their tokens.",
        wide=True,
    ),
    "equal_time": Figure(
        section="compare",
        title="At equal wall-clock",
        caption=(
            "The same over the seconds of training, evaluations left out. It compares speed only if"
            " the runs had the same machine to themselves."
        ),
        draw=against("seconds"),
        absent="a comparison needs two runs or more that report their step times.",
        wide=True,
    ),
}
