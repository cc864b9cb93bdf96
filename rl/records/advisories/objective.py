"""Rules about the objective: does the loss still see anything, and does it move the policy as it should."""

from rl.records.advisories.base import WINDOW, Rule, Said, Seen, agreed, start_of

CERTAIN = 0.01
"""Nats a token below which a policy was as good as deterministic from the start: nothing there can fall."""
COLLAPSED = 0.3
"""Share of the first entropy that is left when exploration is called ending."""
CUT = 0.4
"""Share of truncated completions from which they are the first thing to look at."""
SATURATED = 0.95
"""Pass rate from which a group of 16 is all right in half of the cases (.95^16 = .44): no gradient."""
IDLE = 0.5
"""Share of rollouts without an advantage from which most of the sampling is paid for nothing."""
BOUNDED = 0.3
"""Share of tokens out of bounds; the quickstart has .002."""
ONE_SIDED = 2.0
"""So many times more groups on one side (all right, all wrong) make it the side to act on."""


def entropy_collapse(seen: Seen) -> str | None:
    """The policy has become nearly deterministic."""
    start, now = start_of(seen.early, "loss/entropy"), agreed(seen.latest, "loss/entropy", max)
    if start is None or now is None or start < CERTAIN or now > COLLAPSED * start:
        return None
    return f"entropy fell to {now:.3f} nats a token from {start:.3f}: exploration is ending"


def entropy_explosion(seen: Seen) -> str | None:
    """The policy is dissolving into noise."""
    start, now = start_of(seen.early, "loss/entropy"), agreed(seen.latest, "loss/entropy", min)
    if start is None or now is None or now < 2 * start + 0.5:
        return None
    return f"entropy rose to {now:.3f} nats a token from {start:.3f}: the policy is dissolving"


def far_from_sampler(seen: Seen) -> str | None:
    """Updates are too large, or rollouts too old, for the ratio to mean much."""
    now = agreed(seen.latest, "loss/kl_behavior_k3", min)
    if now is None or now < 0.1:
        return None
    return f"the policy is {now:.2f} nats a token from the sampler"


def far_from_reference(seen: Seen) -> str | None:
    """The reference policy does not hold."""
    now = agreed(seen.latest, "loss/kl_reference", min)
    if now is None or now < 0.5:
        return None
    return f"KL to the reference is {now:.2f} nats a token"


def mostly_truncated(seen: Seen) -> Said | None:
    """Completions are cut off before they can answer."""
    now = agreed(seen.latest, "rollout/truncated_share", min)
    if now is None or now < CUT:
        return None
    idle = agreed(seen.latest, "learner/zero_advantage_frac", min)
    effect = (
        f", which is likely why {idle:.0%} of the rollouts have no advantage"
        if idle is not None and idle >= IDLE
        else ""
    )
    fix = (
        "raise rollout.max_tokens; hardly any completion ends by itself, so also check that the tokenizer's"
        " end token is the one that the model was trained to emit, and whether it wants its chat template"
        " (task.chat=true)"
    )
    return Said(
        text=f"{now:.0%} of the completions were cut off at rollout.max_tokens{effect}",
        fix=fix if now > 0.95 else "",
    )


def constant_reward(seen: Seen) -> Said | None:
    """Every sample got the same reward, and truncation does not explain it."""
    spread, value = agreed(seen.latest, "reward/std", max), seen.latest[-1].get("reward/mean")
    if spread is None or spread > 0 or value is None or mostly_truncated(seen) is not None:
        return None
    rates = {row.get("reward/pass_rate") for row in seen.latest}
    if rates == {1.0}:
        return Said(
            text=f"every sample of the last {WINDOW} steps was right: nothing is left to learn here",
            cause="the prompts are too easy for the policy",
            fix="give harder prompts",
            knob="task",
        )
    if rates == {0.0} and all(row.get("reward/mean") == 0 for row in seen.latest):
        return Said(
            text=f"every sample of the last {WINDOW} steps was wrong",
            cause="the prompts are too hard for the policy, or the reward takes none of its answers",
            fix="look at some samples, and try them with the reward",
            knob="t2rl samples, t2rl rewards score",
        )
    return Said(
        text=f"the reward was {value:g} for every sample of the last step, and constant in the last {WINDOW}"
    )


def saturated_reward(seen: Seen) -> str | None:
    """Nearly everything is right."""
    now = agreed(seen.latest, "reward/pass_rate", min)
    if now is None or now < SATURATED or constant_reward(seen) is not None:
        return None
    return f"{now:.0%} of the samples are right: hardly a group is left that teaches anything"


def never_correct(seen: Seen) -> str | None:
    """A graded reward that never reaches the value from which it counts as correct."""
    rows = [*seen.early, *seen.latest]
    varied = agreed(seen.latest, "reward/std", min)
    if varied is None or varied == 0 or any((row.get("reward/pass_rate") or 0) > 0 for row in rows):
        return None
    if not all("reward/pass_rate" in row for row in rows):
        return None
    return "rewards differ, but no sample has counted as correct so far"


def little_gradient(seen: Seen) -> Said | None:
    """Most rollouts teach nothing, and neither truncation nor a constant reward explains it."""
    now = agreed(seen.latest, "learner/zero_advantage_frac", min)
    explained = (mostly_truncated, constant_reward, saturated_reward)
    if now is None or now < IDLE or any(rule(seen) is not None for rule in explained):
        return None
    if never_correct(seen) is not None:
        return Said(
            text=f"{now:.0%} of the rollouts have no advantage (equal rewards in their groups)",
            cause="whole groups get one reward",
            fix="draw others in their place, by a filter that reads rewards where nothing is right",
            knob="curriculum=mixed, stream.refill_rounds",
        )
    right = agreed(seen.latest, "curriculum/all_positive_ratio", min) or 0.0
    wrong = agreed(seen.latest, "curriculum/all_negative_ratio", min) or 0.0
    if right > ONE_SIDED * wrong:
        return Said(
            text=f"{now:.0%} of the rollouts have no advantage; {right:.0%} of the groups are all right",
            cause="the prompts are too easy for the policy of now",
            fix="give harder prompts, or set those aside that are solved",
            knob="task, curriculum=retire",
        )
    if wrong > ONE_SIDED * right:
        return Said(
            text=f"{now:.0%} of the rollouts have no advantage; {wrong:.0%} of the groups are all wrong",
            cause="the prompts are too hard for the policy of now",
            fix=(
                "give rollouts to the prompts where they can still meet a right answer (knapsack), begin with"
                " easier prompts, or draw others in the place of dropped groups"
            ),
            knob="curriculum=knapsack, curriculum=easy_to_hard, curriculum=mixed with stream.refill_rounds",
        )
    return Said(text=f"{now:.0%} of the rollouts have no advantage (all right or all wrong)")


def mostly_bounded(seen: Seen) -> Said | None:
    """The objective throws most tokens away."""
    for key, field in (
        ("loss/ratio_clipped_frac", "algorithm.mask.clip_low, algorithm.mask.clip_high"),
        ("loss/band_masked_frac", "algorithm.token_band, algorithm.sequence_band"),
        ("loss/importance_capped_frac", "algorithm.importance.cap"),
    ):
        now = agreed(seen.latest, key, min)
        if now is not None and now > BOUNDED:
            return Said(
                text=f"{now:.0%} of the tokens are out of bounds ({key})",
                knob=f"{field}, learner.lr, stream.max_staleness",
            )
    return None


def blind_critic(seen: Seen) -> str | None:
    """The critic is worse than a constant."""
    now = agreed(seen.latest, "critic/explained_variance", max)
    if now is None or now > -0.2 or start_of(seen.early, "critic/explained_variance") is None:
        return None
    return f"the critic's explained variance is {now:.2f}, worse than a constant"


def broken_numbers(seen: Seen) -> Said | None:
    """Steps are refused, or tokens dropped."""
    row = seen.latest[-1]
    if row.get("learner/applied", 1.0) == 0 and row.get("learner/trained_tokens", 0) > 0:
        return Said(text="a non-finite gradient was refused and the step skipped")
    if row.get("critic/refused_updates", 0) > 0:
        return Said(
            text="a non-finite gradient of the critic was refused",
            fix="lower its rate",
            knob="algorithm.advantage.critic.lr",
        )
    if row.get("loss/dropped_tokens", 0) > 0:
        dropped = row["loss/dropped_tokens"]
        return Said(text=f"{dropped:.0f} tokens had a log-prob that is not a number and were left out")
    return None


RULES: dict[str, Rule] = {
    "broken_numbers": Rule(
        find=broken_numbers,
        about="objective",
        severity="critical",
        symptom="a gradient or a log-prob is not finite, in one step",
        cause="too large a step, or a number format that is too narrow",
        fix="lower the rate or the bound of the gradient, or use float32",
        knob="learner.lr, learner.grad_clip, learner.dtype",
        source="one is too many: a refused step trains nothing",
    ),
    "mostly_truncated": Rule(
        find=mostly_truncated,
        about="objective",
        symptom=f"{CUT:.0%} of the completions are cut off",
        cause="completions are longer than the limit, and a cut one cannot answer",
        fix="raise the limit (and the model's length with it), or ask for shorter answers",
        knob="rollout.max_tokens, rollout.max_model_len",
        source="our own: the quickstart stays below 1%; at 40% most groups lose members to the limit",
    ),
    "constant_reward": Rule(
        find=constant_reward,
        about="objective",
        severity="critical",
        symptom=f"every sample of {WINDOW} steps has the same reward",
        cause="the reward does not tell answers apart, so nothing can be learned from it",
        fix="look at the reward, not at the prompts",
        knob="task.reward, t2rl rewards score",
        source="by definition: no spread, no advantage",
    ),
    "saturated_reward": Rule(
        find=saturated_reward,
        about="objective",
        severity="note",
        symptom=f"{SATURATED:.0%} of the samples are right",
        cause="the prompts are too easy for the policy of now",
        fix="stop here, give harder prompts, or set solved ones aside",
        knob="task, curriculum=retire, t2rl stop",
        source="arithmetic: at .95 a group of 16 is all right in 44% of the cases",
    ),
    "never_correct": Rule(
        find=never_correct,
        about="objective",
        symptom="rewards differ, and no sample counts as correct",
        cause=(
            "a graded reward whose correctness nobody defined; pass rates, pass@k and most curricula read"
            " correctness and see failures only"
        ),
        fix="say what is correct: by a threshold, or in the RewardResult",
        knob="task.reward_args.correct_at",
        source="by definition",
    ),
    "little_gradient": Rule(
        find=little_gradient,
        about="objective",
        symptom=f"{IDLE:.0%} of the rollouts have no advantage",
        cause="groups that are all right or all wrong, about as many of each",
        fix="choose prompts by difficulty, and draw others in the place of dropped groups",
        knob="curriculum=mixed, stream.refill_rounds, curriculum=knapsack",
        source="our own: half of the sampling; DAPO's dynamic sampling is for the same symptom",
    ),
    "entropy_collapse": Rule(
        find=entropy_collapse,
        about="objective",
        symptom=f"entropy below {COLLAPSED:.0%} of its start",
        cause="every update sharpens the policy, and nothing holds it back",
        fix="lower the rate, raise the upper clip, or hold the policy with a KL term",
        knob="learner.lr, algorithm.mask.clip_high, algorithm.kl.coefficient",
        source="our own: the quickstart ends at 35 to 50% of its start and still learns",
    ),
    "entropy_explosion": Rule(
        find=entropy_explosion,
        about="objective",
        symptom="entropy above twice its start and half a nat",
        cause="updates are too large, and the policy dissolves",
        fix="lower the rate",
        knob="learner.lr",
        source="our own: the quickstart's entropy only falls",
    ),
    "far_from_sampler": Rule(
        find=far_from_sampler,
        about="objective",
        symptom="KL to the sampler of .1 nats a token",
        cause="updates are too large, or rollouts too old, for the ratio to mean much",
        fix="lower the rate, the updates a batch or the staleness, or correct for it",
        knob="learner.lr, learner.updates_per_batch, stream.max_staleness, algorithm=grpo_tis",
        source="our own: two hundred times the quickstart's",
    ),
    "far_from_reference": Rule(
        find=far_from_reference,
        about="objective",
        symptom="KL to the reference of .5 nats a token",
        cause="the coefficient is too small for these updates",
        fix="raise the coefficient, or let a target move it",
        knob="algorithm.kl.coefficient, algorithm.kl.adaptive.target",
        source="our own: at half a nat the reference says little about the policy",
    ),
    "mostly_bounded": Rule(
        find=mostly_bounded,
        about="objective",
        symptom=f"{BOUNDED:.0%} of the tokens clipped, masked or capped",
        cause="the policy is far from the sampler, or the bounds are narrow",
        fix="widen the bound, or lower rate or staleness",
        knob="algorithm.mask.clip_low, algorithm.token_band, algorithm.importance.cap, learner.lr",
        source="our own: a hundred times the quickstart's",
    ),
    "blind_critic": Rule(
        find=blind_critic,
        about="objective",
        symptom="explained variance below −.2",
        cause="the critic trains too little or too late",
        fix="give it more warm-up or a higher rate",
        knob="algorithm.advantage.critic.warmup_steps, algorithm.advantage.critic.lr",
        source="by definition: below 0 a constant predicts better",
    ),
}
