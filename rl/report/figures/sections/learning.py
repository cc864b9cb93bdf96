"""Does the model learn, and does the objective stay healthy?"""

from rl.report.figures.curves import over_steps
from rl.report.figures.figure import Figure

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
            "Share of the step's rollouts that were right. It depends on which prompts the curriculum"
            " draws: compare runs by their held-out problems."
        ),
        draw=over_steps({"reward/pass_rate": "pass rate"}, y="share right", share=True),
        absent="the run has no pass rate.",
    ),
    "entropy": Figure(
        section="learning",
        title="Entropy",
        caption=("It should fall slowly. A fall to near 0 ends exploration; in a rise the policy dissolves."),
        draw=over_steps({"loss/entropy": "of samples", "sft/entropy": "of demonstrations"}, y="nats a token"),
        absent="the run reports no entropy.",
    ),
    "kl": Figure(
        section="learning",
        title="Distance from sampler and reference",
        caption=(
            "KL divergence. From the sampler it should stay near 0 (above 0.1, updates are too large"
            " or rollouts too old); from the reference it may grow slowly."
        ),
        draw=over_steps(
            {"loss/kl_behavior_k3": "from the sampler", "loss/kl_reference": "from the reference"},
            y="nats a token",
        ),
        absent="the run reports no KL divergence.",
    ),
    "gradient": Figure(
        section="learning",
        title="Gradient norm",
        caption=(
            "Before clipping. Spikes that the reward does not recover from ask for a lower learning rate."
        ),
        draw=over_steps(
            {"learner/grad_norm": "gradient norm", "sft/grad_norm": "gradient norm"}, y="norm", log=True
        ),
        absent="the run reports no gradient norm.",
    ),
    "no_advantage": Figure(
        section="learning",
        title="Rollouts without an advantage",
        caption=(
            "Share of rollouts whose group is all right or all wrong: they cost time and teach"
            " nothing. Above 50%, choose prompts by difficulty."
        ),
        draw=over_steps({"learner/zero_advantage_frac": "no advantage"}, y="share of rollouts", share=True),
        absent="the run reports no advantages.",
    ),
    "length": Figure(
        section="learning",
        title="Length of completions",
        caption="A rise with the pass rate is reasoning that pays; a rise without it is padding.",
        draw=over_steps({"rollout/length_mean_tokens": "mean length"}, y="tokens"),
        absent="the run reports no lengths.",
    ),
    "truncated": Figure(
        section="learning",
        title="Truncated completions",
        caption=(
            "Share cut off at rollout.max_tokens. They are rarely right: raise the limit where this is high."
        ),
        draw=over_steps({"rollout/truncated_share": "truncated"}, y="share of completions", share=True),
        absent="the run reports no truncation.",
    ),
    "stage_loss": Figure(
        section="learning",
        title="Loss of the stage",
        caption="Of supervised fine-tuning or of preference optimisation. It should fall and flatten.",
        draw=over_steps({"sft/loss": "SFT", "dpo/loss": "DPO"}, y="loss"),
        absent="the run is no SFT or DPO stage.",
    ),
    "stage_accuracy": Figure(
        section="learning",
        title="Accuracy of the stage",
        caption="Share of tokens predicted (SFT), or of pairs ordered as chosen (DPO).",
        draw=over_steps(
            {"sft/token_accuracy": "tokens (SFT)", "dpo/pair_accuracy": "pairs (DPO)"}, y="share", share=True
        ),
        absent="the run is no SFT or DPO stage.",
    ),
}
