"""Figures about the parts of the reward."""

from rl.report.figures import components
from rl.report.figures.figure import Figure

FIGURES: dict[str, Figure] = {
    "components": Figure(
        section="rewards",
        title="Components of the reward",
        caption="A component that rises alone while the held-out results stand still is being gamed.",
        draw=components.draw,
        absent="the reward has no components.",
    ),
}
