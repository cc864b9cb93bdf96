"""Figures about the parts of the reward."""

from rl.report.figures import components, lengths, reasons
from rl.report.figures.figure import Figure

NO_ROLLOUTS = "the run kept no rollouts (records.rollouts=none, or T2RL before 0.3.0)."

FIGURES: dict[str, Figure] = {
    "components": Figure(
        section="rewards",
        title="Components of the reward",
        caption="A component that rises alone while the held-out results stand still is being gamed.",
        draw=components.draw,
        absent="the reward has no components.",
    ),
    "lengths": Figure(
        section="rewards",
        title="Lengths, right and wrong",
        caption=(
            "Boxes hold the middle half, whiskers 90%. Wrong answers that grow longer than right ones are"
            " often cut off; if both only grow, look whether length itself is rewarded."
        ),
        draw=lengths.draw,
        absent=NO_ROLLOUTS,
        per_run=True,
    ),
    "reasons": Figure(
        section="rewards",
        title="Reasons of the verdicts",
        caption="One reason that takes over is worth a look into the samples: it may be a loophole.",
        draw=reasons.draw,
        absent="the rewards gave no reasons, or the run kept no rollouts.",
        per_run=True,
    ),
}
