"""Where time goes, how old rollouts are, and what was lost."""

from rl.report.figures import shares, step_time
from rl.report.figures.curves import over_steps
from rl.report.figures.figure import Figure

FIGURES: dict[str, Figure] = {
    "step_time": Figure(
        section="system",
        title="Time of a step",
        caption=(
            "A thick band of waiting means that the learner starves: more engines would help."
            " Evaluations are not part of a step."
        ),
        draw=step_time.breakdown,
        absent="the run reports no step times.",
        per_run=True,
    ),
    "idle": Figure(
        section="system",
        title="Learner idle",
        caption=("Share of the step in which the learner waits for rollouts. The curve should stay low."),
        draw=over_steps({"time/learner_idle_share": "idle"}, y="share of the step", share=True),
        absent="the run reports no idle share.",
    ),
    "throughput": Figure(
        section="system",
        title="Tokens a second",
        caption=(
            "Sampled tokens over the wall-clock of the step. A slow fall is often longer completions;"
            " a cliff is a lost engine."
        ),
        draw=over_steps({"rollout/tokens_per_s": "tokens a second"}, y="tokens a second"),
        absent="the run reports no tokens a second.",
    ),
    "staleness": Figure(
        section="system",
        title="Staleness",
        caption=(
            "Weight updates between a group's oldest token and its training: the mean, and its two"
            " parts. It never exceeds stream.max_staleness."
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
    "gap": Figure(
        section="system",
        title="Engine against learner",
        caption=(
            "Mean absolute difference of log-probs. On equal weights (probe) it is numerical noise;"
            " on the trained tokens it includes staleness. A rise of both is a mismatch."
        ),
        draw=over_steps(
            {"learner/logprob_gap": "on the trained tokens", "sync/probe_gap": "on equal weights (probe)"},
            y="nats a token",
            log=True,
        ),
        absent="the run reports no differences.",
    ),
    "lost": Figure(
        section="system",
        title="Groups dropped or sampled again",
        caption=(
            "Dropped: the curriculum kept them from training, by reason. Sampled again: a timeout or"
            " a lost engine."
        ),
        draw=shares.lost,
        absent="no group was dropped or sampled again.",
        per_run=True,
    ),
    "sync": Figure(
        section="system",
        title="Pushing weights",
        caption="Seconds until the engines have the new weights. It should be short against a step.",
        draw=over_steps({"sync/push_s": "push"}, y="seconds"),
        absent="the run reports no weight pushes.",
    ),
}
