"""Advisories: a short text when a run's own metrics say that something is going wrong, and what to do about
it.

A rule is a function of the metric rows so far: the first ones, which say what is normal for the run, and the
latest. A new one is one function and one line in ``RULES``; one of your own is named in ``run.advisories``.
They only advise: what must stop a run (non-finite steps, a failed probe, a broken staleness bound) stops it
elsewhere.
"""

import statistics
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from rollout.user_code import resolve_function

Row = Mapping[str, float]
History = Sequence[Row]
Rule = Callable[[History, History], str | None]
"""(first rows, latest rows) -> a text, or None; there is at least one row."""

EARLY = 5
"""Rows that say what is normal for a run."""
WINDOW = 3
"""Latest rows that must agree before a rule speaks."""
CERTAIN = 0.01
"""Nats a token below which a policy was as good as deterministic from the start: nothing there can fall."""
CUT = 0.4
"""Share of truncated completions from which they are the first thing to look at."""
FAILING = 0.05
"""Share of samples without a verdict from which it is worth saying."""
QUIET_STEPS = 25
"""Steps until the same rule may speak again."""

HEALTHY: Row = {
    "loss/entropy": 1.0,
    "loss/kl_behavior_k3": 0.001,
    "loss/kl_reference": 0.01,
    "loss/ratio_clipped_frac": 0.02,
    "learner/logprob_gap": 0.01,
    "learner/zero_advantage_frac": 0.3,
    "rollout/truncated_share": 0.1,
    "learner/applied": 1.0,
    "learner/trained_tokens": 100.0,
    "loss/dropped_tokens": 0.0,
    "critic/explained_variance": 0.4,
    "reward/mean": 0.4,
    "reward/std": 0.5,
    "reward/pass_rate": 0.4,
    "reward/unjudged": 0.0,
    "rollout/rollouts": 64.0,
}
"""A row of a run that has nothing wrong with it, as far as rules read it."""


class Advisor:
    """Fed one metric row a step; remembers as many as the rules look at."""

    def __init__(self, own: Mapping[str, Rule] | None = None) -> None:
        """With the rules of ``own`` beside those of ``RULES``."""
        self._rules = {**RULES, **(own or {})}
        self._early: list[Row] = []
        self._latest: deque[Row] = deque(maxlen=WINDOW)
        self._silent_until: dict[str, int] = {}

    def update(self, step: int, row: Row) -> dict[str, str]:
        """Rule name -> text, of the rules that speak now."""
        if len(self._early) < EARLY:
            self._early.append(row)
        self._latest.append(row)
        said = {}
        for name, rule in self._rules.items():
            if step < self._silent_until.get(name, 0):
                continue
            text = rule(self._early, list(self._latest))
            if text is not None:
                said[name] = text
                self._silent_until[name] = step + QUIET_STEPS
        return said


def entropy_collapse(early: History, latest: History) -> str | None:
    """The policy has become nearly deterministic."""
    start, now = _start(early, "loss/entropy"), _agree(latest, "loss/entropy", max)
    if start is None or now is None or start < CERTAIN or now > 0.3 * start:
        return None
    return (
        f"entropy fell to {now:.3f} nats a token from {start:.3f}: exploration is ending. Lower learner.lr,"
        " raise algorithm.mask.clip_high, or hold the policy with algorithm.kl.coefficient"
    )


def entropy_explosion(early: History, latest: History) -> str | None:
    """The policy is dissolving into noise."""
    start, now = _start(early, "loss/entropy"), _agree(latest, "loss/entropy", min)
    if start is None or now is None or now < 2 * start + 0.5:
        return None
    return (
        f"entropy rose to {now:.3f} nats a token from {start:.3f}: the policy is dissolving. Lower learner.lr"
    )


def far_from_sampler(early: History, latest: History) -> str | None:
    """Updates are too large, or rollouts too old, for the ratio to mean much."""
    now = _agree(latest, "loss/kl_behavior_k3", min)
    if now is None or now < 0.1:
        return None
    return (
        f"the policy is {now:.2f} nats a token from the sampler: updates are too large or rollouts too old."
        " Lower learner.lr, learner.updates_per_batch or stream.max_staleness, or correct for it"
        " (algorithm=grpo_tis)"
    )


def far_from_reference(early: History, latest: History) -> str | None:
    """The reference policy does not hold."""
    now = _agree(latest, "loss/kl_reference", min)
    if now is None or now < 0.5:
        return None
    return (
        f"KL to the reference is {now:.2f} nats a token: raise algorithm.kl.coefficient, or set"
        " algorithm.kl.adaptive.target"
    )


def gap_rising(early: History, latest: History) -> str | None:
    """Engine and learner disagree more than they used to."""
    start, now = _start(early, "learner/logprob_gap"), _agree(latest, "learner/logprob_gap", min)
    if start is None or now is None or now < max(6 * start, 0.05):
        return None
    return (
        f"engine and learner differ by {now:.3f} nats a token, {start:.4f} at the start: staleness or a"
        " numerical mismatch. Look at sync/probe_gap; if that is small, lower stream.max_staleness"
    )


def mostly_truncated(early: History, latest: History) -> str | None:
    """Completions are cut off before they can answer."""
    now = _agree(latest, "rollout/truncated_share", min)
    if now is None or now < CUT:
        return None
    idle = _agree(latest, "learner/zero_advantage_frac", min)
    effect = (
        f", which is likely why {idle:.0%} of the rollouts have no advantage"
        if idle is not None and idle >= 0.5
        else ""
    )
    never_ends = (
        "; hardly any ends by itself, so also check that the tokenizer's end token is the one that the model"
        " was trained to emit, and whether it wants its chat template (task.chat=true)"
    )
    return (
        f"{now:.0%} of the completions were cut off at rollout.max_tokens{effect}: raise it (and"
        f" rollout.max_model_len), or ask for shorter answers{never_ends if now > 0.95 else ''}"
    )


def unjudged_samples(early: History, latest: History) -> str | None:
    """The reward fails on a part of the samples."""
    shares = [
        row["reward/unjudged"] / row["rollout/rollouts"] for row in latest if row.get("rollout/rollouts")
    ]
    if len(shares) < WINDOW or min(shares) < FAILING:
        return None
    return (
        f"{min(shares):.0%} of the samples or more could not be judged, and train nothing: the reward raises,"
        " dies or is too slow. The log names each kind of failure once, with its place; reward/errors,"
        " crashes and timeouts count them"
    )


def constant_reward(early: History, latest: History) -> str | None:
    """Every sample got the same reward, and truncation does not explain it."""
    spread, value = _agree(latest, "reward/std", max), latest[-1].get("reward/mean")
    if spread is None or spread > 0 or value is None or mostly_truncated(early, latest) is not None:
        return None
    rates = {row.get("reward/pass_rate") for row in latest}
    if rates == {1.0}:
        return (
            f"every sample of the last {WINDOW} steps was right: nothing is left to learn here; give harder"
            " prompts"
        )
    if rates == {0.0} and all(row.get("reward/mean") == 0 for row in latest):
        return (
            f"every sample of the last {WINDOW} steps was wrong: the prompts are too hard for the policy, or"
            " the reward takes none of its answers (look at some, and try them with t2rl rewards score)"
        )
    return (
        f"the reward was {value:g} for every sample of the last step, and constant in the last {WINDOW}: it"
        " does not tell answers apart, so nothing can be learned from it. Look at the reward (t2rl rewards"
        " score), not at the prompts"
    )


def never_correct(early: History, latest: History) -> str | None:
    """A graded reward that never reaches the value from which it counts as correct."""
    rows = [*early, *latest]
    varied = _agree(latest, "reward/std", min)
    if varied is None or varied == 0 or any(row.get("reward/pass_rate", 1.0) > 0 for row in rows):
        return None
    return (
        "rewards differ, but no sample has counted as correct so far: pass rates, pass@k and most curricula"
        " read correctness and see failures only. Say what is: task.reward_args.correct_at, or correct in the"
        " RewardResult"
    )


def little_gradient(early: History, latest: History) -> str | None:
    """Most rollouts teach nothing, and neither truncation nor a constant reward explains it."""
    now = _agree(latest, "learner/zero_advantage_frac", min)
    if (
        now is None
        or now < 0.5
        or mostly_truncated(early, latest) is not None
        or constant_reward(early, latest) is not None
    ):
        return None
    if never_correct(early, latest) is not None:
        return (
            f"{now:.0%} of the rollouts have no advantage (equal rewards in their groups): draw others in"
            " their place (curriculum=mixed with stream.refill_rounds, which reads rewards where nothing is"
            " right)"
        )
    return (
        f"{now:.0%} of the rollouts have no advantage (all right or all wrong): choose prompts by difficulty "
        "(curriculum=mixed with stream.refill_rounds, or curriculum=knapsack)"
    )


def mostly_bounded(early: History, latest: History) -> str | None:
    """The objective throws most tokens away."""
    for key, field in (
        ("loss/ratio_clipped_frac", "algorithm.mask.clip_low and clip_high"),
        ("loss/band_masked_frac", "algorithm.token_band and sequence_band"),
        ("loss/importance_capped_frac", "algorithm.importance.cap"),
    ):
        now = _agree(latest, key, min)
        if now is not None and now > 0.3:
            return (
                f"{now:.0%} of the tokens are out of bounds ({key}): widen {field}, or lower learner.lr or"
                " stream.max_staleness"
            )
    return None


def blind_critic(early: History, latest: History) -> str | None:
    """The critic is worse than a constant."""
    now = _agree(latest, "critic/explained_variance", max)
    if now is None or now > -0.2 or len(early) < EARLY:
        return None
    return (
        f"the critic's explained variance is {now:.2f}, worse than a constant: raise"
        " algorithm.advantage.critic.warmup_steps or algorithm.advantage.critic.lr"
    )


def broken_numbers(early: History, latest: History) -> str | None:
    """Steps are refused, or tokens dropped."""
    row = latest[-1]
    if row.get("learner/applied", 1.0) == 0 and row.get("learner/trained_tokens", 0) > 0:
        return (
            "a non-finite gradient was refused and the step skipped: lower learner.lr or learner.grad_clip,"
            " or use float32"
        )
    if row.get("critic/refused_updates", 0) > 0:
        return "a non-finite gradient of the critic was refused: lower algorithm.advantage.critic.lr"
    if row.get("loss/dropped_tokens", 0) > 0:
        return (
            f"{row['loss/dropped_tokens']:.0f} tokens had a log-prob that is not a number and were left out"
        )
    return None


RULES: dict[str, Rule] = {
    "entropy_collapse": entropy_collapse,
    "entropy_explosion": entropy_explosion,
    "far_from_sampler": far_from_sampler,
    "far_from_reference": far_from_reference,
    "gap_rising": gap_rising,
    "unjudged_samples": unjudged_samples,
    "mostly_truncated": mostly_truncated,
    "constant_reward": constant_reward,
    "never_correct": never_correct,
    "little_gradient": little_gradient,
    "mostly_bounded": mostly_bounded,
    "blind_critic": blind_critic,
    "broken_numbers": broken_numbers,
}


def resolve_advisories(names: Sequence[str]) -> dict[str, Rule]:
    """The rules that ``run.advisories`` names, outside code (``pkg.module:attr``), by the names of their
    functions.

    Raises:
        ValueError: one is not there, or two have one name.
    """
    found: dict[str, Rule] = {}
    for name in names:
        short = name.rpartition(":")[2]
        if short in RULES or short in found:
            raise ValueError(
                f"run.advisories: there is another rule of the name {short!r}; rename that of {name}"
            )
        found[short] = resolve_function("run.advisories", name, {})
    return found


def _start(early: History, key: str) -> float | None:
    """Median of a run's first rows; None until there are enough."""
    values = [row[key] for row in early if key in row]
    return statistics.median(values) if len(values) >= EARLY else None


def _agree(latest: History, key: str, weakest: Callable[[Sequence[float]], float]) -> float | None:
    """The least alarming of the latest values; None unless there is a full window of them."""
    values = [row[key] for row in latest if key in row]
    return weakest(values) if len(values) == WINDOW else None
