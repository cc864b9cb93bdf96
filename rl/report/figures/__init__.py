"""The figures of a run, by name. A new one is a function from runs to a plotly figure, and an entry here."""

from rl.report.figures import curriculum, held_out, step_time
from rl.report.figures.curves import over_steps
from rl.report.figures.figure import Figure, Section

SECTIONS: dict[str, Section] = {
    "learning": Section(
        title="Learning",
        intro="Does the model get better, and does the objective stay healthy while it does?",
    ),
    "curriculum": Section(
        title="Curriculum", intro="Which prompts were drawn, and how the rollouts were shared out among them."
    ),
    "system": Section(title="System", intro="Where time goes, how old rollouts are, and what was lost."),
}
"""In the order of the page."""

FIGURES: dict[str, Figure] = {
    "reward": Figure(
        section="learning",
        title="Reward",
        caption="It should rise. The band is wide where steps differ much from one another.",
        draw=over_steps({"reward/mean": "mean reward"}, y="mean reward of the step"),
        absent="the run has no reward (it is a stage, or has not finished a step).",
    ),
    "pass_rate": Figure(
        section="learning",
        title="Pass rate in training",
        caption=(
            "Share of the step's rollouts that were right. It depends on which prompts the curriculum draws:"
            " compare runs by the held-out figure beside it."
        ),
        draw=over_steps({"reward/pass_rate": "pass rate"}, y="share right", share=True),
        absent="the run has no pass rate.",
    ),
    "held_out": Figure(
        section="learning",
        title="Held-out problems over the training",
        caption=(
            "pass@k on problems that the run never trains on; bands are 95% bootstrap intervals over them."
            " Where pass@1 rises and pass@k for a large k falls, the model trades breadth for sharpness."
        ),
        draw=held_out.draw,
        absent="the run was not evaluated.",
    ),
    "entropy": Figure(
        section="learning",
        title="Entropy",
        caption=("It should fall slowly. A fall to near 0 ends exploration; in a rise the policy dissolves."),
        draw=over_steps({"loss/entropy": "entropy"}, y="nats a token"),
        absent="the run reports no entropy.",
    ),
    "kl": Figure(
        section="learning",
        title="Distance from sampler and reference",
        caption=(
            "KL divergence. From the sampler it should stay near 0 (above 0.1, updates are too large or"
            " rollouts too old); from the reference it may grow slowly."
        ),
        draw=over_steps(
            {"loss/kl_behavior_k3": "from the sampler", "loss/kl_reference": "from the reference"},
            y="nats a token",
        ),
        absent="the run reports no KL divergence.",
    ),
    "curriculum_drawn": Figure(
        section="curriculum",
        title="Prompts drawn",
        caption="Each column sums to 100%. An adaptive curriculum shifts towards what can be learned now.",
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
        caption="Rows that stay dark are not learned; rows that are bright from the start teach nothing.",
        draw=curriculum.heat_map(curriculum.pass_rate, "right", whole=True),
        absent="the run kept no choices (curriculum.jsonl).",
        per_run=True,
    ),
    "step_time": Figure(
        section="system",
        title="Time of a step",
        caption=(
            "A thick band of waiting means that the learner starves: more engines would help. Evaluations are"
            " not part of a step."
        ),
        draw=step_time.breakdown,
        absent="the run reports no step times.",
        per_run=True,
    ),
    "idle": Figure(
        section="system",
        title="Learner idle",
        caption="Share of the step in which the learner waits for rollouts. The curve should stay low.",
        draw=over_steps({"time/learner_idle_share": "idle"}, y="share of the step", share=True),
        absent="the run reports no idle share.",
    ),
    "staleness": Figure(
        section="system",
        title="Staleness",
        caption=(
            "Weight updates between a group's oldest token and its training: the mean, and its two parts. It"
            " never exceeds stream.max_staleness."
        ),
        draw=over_steps(
            {
                "buffer/staleness_mean": "mean",
                "buffer/staleness_in_flight_mean": "while sampled",
                "buffer/staleness_in_queue_mean": "while it waited",
            },
            y="weight updates",
        ),
        absent="the run reports no staleness.",
    ),
}
"""In the order of the page, section by section."""
