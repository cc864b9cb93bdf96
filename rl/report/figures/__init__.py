"""The figures of a run, by name. A new one is a function from runs to a plotly figure, and an entry in the
file of its section."""

from rl.report.figures.figure import Figure, Section
from rl.report.figures.sections import (
    advice,
    compare,
    cost,
    curriculum,
    learning,
    results,
    rewards,
    system,
)

SECTIONS: dict[str, Section] = {
    "results": Section(
        title="Results", intro="Held-out problems, which the run never trains on: the figures to judge it by."
    ),
    "compare": Section(
        title="Comparison", intro="Runs against each other, by what they spent and by how they were set up."
    ),
    "learning": Section(
        title="Learning",
        intro="Does the model get better, and does the objective stay healthy while it does?",
    ),
    "rewards": Section(title="Rewards", intro="Which part of the reward moves, and which answers earn it."),
    "curriculum": Section(
        title="Curriculum", intro="Which prompts were drawn, and how the rollouts were shared out among them."
    ),
    "system": Section(title="System", intro="Where time goes, how old rollouts are, and what was lost."),
    "advice": Section(title="Advice", intro="What the run said about itself, and what it asked for."),
    "cost": Section(title="Cost", intro="Tokens, device time and money, step by step."),
    "samples": Section(
        title="Samples",
        intro="What the model wrote. Open a sample to see its prompt, its verdict, and other answers.",
    ),
}
"""In the order of the page."""

FIGURES: dict[str, Figure] = {
    **results.FIGURES,
    **compare.FIGURES,
    **learning.FIGURES,
    **rewards.FIGURES,
    **curriculum.FIGURES,
    **system.FIGURES,
    **advice.FIGURES,
    **cost.FIGURES,
}
"""In the order of the page."""
