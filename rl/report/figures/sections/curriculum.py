"""Which prompts were drawn, and how rollouts were shared out."""

from rl.report.figures import curriculum, planner
from rl.report.figures.curves import over_steps
from rl.report.figures.figure import Figure

FIGURES: dict[str, Figure] = {
    "curriculum_drawn": Figure(
        section="curriculum",
        title="Prompts drawn",
        caption=("Each column sums to 100%. An adaptive curriculum shifts towards what can be learned now."),
        draw=curriculum.heat_map(curriculum.drawn, "of the prompts"),
        absent="the run kept no choices (curriculum.jsonl).",
        per_run=True,
    ),
    "curriculum_allocated": Figure(
        section="curriculum",
        title="Rollouts allocated",
        caption="It differs from the prompts drawn where groups differ in size.",
        draw=curriculum.heat_map(curriculum.allocated, "of the rollouts"),
        absent="the run kept no choices (curriculum.jsonl).",
        per_run=True,
    ),
    "curriculum_pass_rate": Figure(
        section="curriculum",
        title="Pass rate by category",
        caption=("Rows that stay dark are not learned; rows that are bright from the start teach nothing."),
        draw=curriculum.heat_map(curriculum.pass_rate, "right", whole=True),
        absent="the run kept no choices (curriculum.jsonl).",
        per_run=True,
    ),
    "effective": Figure(
        section="curriculum",
        title="Rollouts with a gradient",
        caption="Share of rollouts in groups with both outcomes: what a curriculum is there to raise.",
        draw=over_steps(
            {"curriculum/effective_gradient_ratio": "with both outcomes"}, y="share of rollouts", share=True
        ),
        absent="the run reports no outcomes of its groups.",
    ),
    "planner_k": Figure(
        section="curriculum",
        title="The planner's k*",
        caption=(
            "Samples a problem that inference is expected to use, by category. Training aims at pass@k*."
        ),
        draw=planner.targets,
        absent="the run has no planner in its loop (algorithm=planner_loop).",
    ),
    "planner_price": Figure(
        section="curriculum",
        title="The planner's price of a token",
        caption="Value of the last token bought. A falling price says that more tokens bring less.",
        draw=over_steps({"planner/token_price": "price"}, y="value a token", log=True),
        absent="the run has no planner in its loop (algorithm=planner_loop).",
    ),
}
