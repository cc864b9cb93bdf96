"""Figures about the cost of a run."""

from rl.report.figures import shares
from rl.report.figures.curves import over_steps
from rl.report.figures.figure import Figure

FIGURES: dict[str, Figure] = {
    "cost_tokens": Figure(
        section="cost",
        title="Tokens of a step",
        caption=("Trained: with a gradient. Discarded: sampled in vain. Less discarded is a cheaper run."),
        draw=shares.tokens,
        absent="the run reports no cost (T2RL before 0.3.0).",
        per_run=True,
    ),
    "cost_money": Figure(
        section="cost",
        title="Money so far",
        caption="By cluster.price_per_gpu_hour.",
        draw=over_steps({"cost/total_money": "money"}, y="money"),
        absent="the run has no price (cluster.price_per_gpu_hour).",
    ),
    "cost_hours": Figure(
        section="cost",
        title="GPU-hours so far",
        caption="Devices of engines and learner together.",
        draw=over_steps({"cost/total_gpu_hours": "GPU-hours"}, y="GPU-hours"),
        absent="the run used no GPU, or reports no cost.",
    ),
    "mfu": Figure(
        section="cost",
        title="Utilisation of the devices (MFU)",
        caption="Model FLOPs over what the devices could do.",
        draw=over_steps({"cost/mfu": "MFU"}, y="share of the peak", share=True),
        absent="the peak of the device is not known.",
    ),
    "tokens_per_correct": Figure(
        section="cost",
        title="Tokens for each correct answer gained",
        caption="Against the first evaluation. It rises when learning slows.",
        draw=over_steps({"cost/tokens_per_correct_gained": "tokens"}, y="tokens", log=True),
        absent="the run reports no tokens per correct answer gained.",
    ),
}
