"""When which advice was given."""

from rl.report.figures import advice
from rl.report.figures.figure import Figure

FIGURES: dict[str, Figure] = {
    "advisories": Figure(
        section="advice",
        title="Advice over the steps",
        caption=("Each mark is advice that the run printed; the table below has its cause and what to do."),
        draw=advice.draw,
        absent="the run gave no advice.",
        wide=True,
    ),
}
