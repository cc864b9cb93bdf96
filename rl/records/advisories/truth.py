"""Rules about truth: does a rising reward mean a better policy, or has a reward been gamed."""

from rl.records.advisories.base import HeldOut, Rule, Said, Seen, agreed, start_of
from rl.records.advisories.held_out import (
    Change,
    by_category,
    by_suite,
    change,
    first_and_newest,
    highest_before,
    training_gain,
)
from rl.records.metrics import BATTERY, REASON, is_component

SIGMAS = 3.0
"""Standard errors of the mean change by problem; by luck one evaluation in a thousand falls further."""
FALL = 0.03
"""Held-out fall that matters, whatever its error."""
GAIN = 0.05
"""Rise of the training reward that a falling held-out contradicts."""
LARGE_GAIN = 0.2
"""Rise of the training reward of which the held-out should show something."""
FOLLOWS = 0.25
"""Share of such a rise that the held-out shows at least, where the policy has become better."""
CATEGORY_FALL = 0.1
"""Fall of one category that matters."""
LONGER = 1.5
"""Growth of completions, with longer ones rewarded, that the held-out should justify."""
MUCH_LONGER = 3.0
"""The same without a second evaluation to look at."""
LINKED = 0.3
"""Correlation of reward and length inside groups."""
REPEATING = 0.3
"""Share of completions that repeat themselves."""
SAME = 0.5
"""Share of completions that are one text."""
TAKES_OVER = 0.6
"""Share of all verdicts with one reason."""
GREW = 0.2
"""Growth of a share since the start."""


def battery_accepted(seen: Seen) -> str | None:
    """Answers that must not count as right do."""
    row = seen.latest[-1]
    accepted, tried = row.get(f"{BATTERY}accepted") or 0, row.get(f"{BATTERY}tried") or 0
    if accepted <= 0:
        return None
    cases = [
        f"{key.removeprefix(BATTERY).replace('_', ' ')} ({row[key]:.0f})"
        for key in row
        if key.startswith(BATTERY) and key not in (f"{BATTERY}accepted", f"{BATTERY}tried") and row[key] > 0
    ]
    named = f": {', '.join(cases)}" if cases else ""
    return f"the reward takes {accepted:.0f} of {tried:.0f} degenerate answers as right{named}"


def held_out_falls(seen: Seen) -> Said | None:
    """The training reward rises, and the held-out problems do not follow."""
    pair = first_and_newest(seen.evaluations)
    if pair is None:
        return None
    first, newest = pair
    said = _contradicted(seen, first, newest, sigmas=SIGMAS)
    if said is not None:
        return said
    best = highest_before(seen.evaluations)
    # The highest of several is high by luck too, so more is asked for.
    return None if best is first else _contradicted(seen, best, newest, sigmas=SIGMAS + 1)


def _contradicted(seen: Seen, before: HeldOut, after: HeldOut, *, sigmas: float) -> Said | None:
    moved, gain = change(before, after), training_gain(seen, before, after)
    if moved is None or gain is None:
        return None
    figures = (
        f"since version {before.version} the training reward rose by {gain:.2f}, and held-out pass@1"
        f" {{}} (from {before.mean:.3f} to {after.mean:.3f} at version {after.version})"
    )
    if gain >= GAIN and moved.mean <= -max(FALL, sigmas * moved.error):
        return Said(text=figures.format(f"fell by {-moved.mean:.3f}"))
    if gain >= LARGE_GAIN and moved.mean + 2 * moved.error < FOLLOWS * gain:
        return Said(
            text=figures.format(f"moved by {moved.mean:+.3f}"),
            cause=(
                "the reward is gamed, the train prompts are learned by heart, or a curriculum has moved to"
                " prompts with another pass rate"
            ),
        )
    return None


def categories_fall(seen: Seen) -> str | None:
    """Some categories are forgotten while others are learned."""
    pair = first_and_newest(seen.evaluations)
    if pair is None:
        return None
    changes = by_category(*pair) | by_suite(seen.evaluations)
    fallen = {name: one for name, one in changes.items() if _fell(one)}
    risen = [name for name, one in changes.items() if one.mean > 2 * one.error and one.mean > 0]
    if not fallen or not risen:
        return None
    said = ", ".join(f"{name} by {-one.mean:.2f}" for name, one in sorted(fallen.items()))
    return (
        f"since version {pair[0].version} held-out results fell in {said}, and rose in"
        f" {', '.join(sorted(risen)[:5])}"
    )


def _fell(one: Change) -> bool:
    return one.mean <= -max(CATEGORY_FALL, SIGMAS * one.error)


def length_takes_over(seen: Seen) -> Said | None:
    """Length is rewarded, and grows (or shrinks) without the held-out following."""
    key = "rollout/length_mean_tokens"
    start, now = start_of(seen.early, key), agreed(seen.latest, key, min)
    corr = agreed(seen.latest, "reward/length_corr", min), agreed(seen.latest, "reward/length_corr", max)
    if start is None or now is None or corr[0] is None or corr[1] is None or start <= 0:
        return None
    pair = first_and_newest(seen.evaluations)
    moved = None if pair is None else change(*pair)
    if moved is not None and moved.mean > 2 * moved.error:
        return None
    ratio, asked = now / start, MUCH_LONGER if moved is None else LONGER
    linked = f"the correlation of reward and length inside groups is {corr[0]:.2f}"
    if ratio >= asked and corr[0] >= LINKED:
        return Said(text=f"completions are {ratio:.1f} times as long as at the start, and {linked}")
    if 0 < ratio <= 1 / asked and corr[1] <= -LINKED:
        return Said(
            text=f"completions are {1 / ratio:.1f} times as short as at the start, and {linked}",
            cause="the reward pays for short answers, whatever they say",
        )
    return None


def repetition_takes_over(seen: Seen) -> str | None:
    """Completions repeat themselves, and the reward does not fall."""
    start, now = (
        start_of(seen.early, "rollout/repetition_share"),
        agreed(seen.latest, "rollout/repetition_share", min),
    )
    if start is None or now is None or now < max(REPEATING, start + GREW) or _reward_fell(seen):
        return None
    return f"{now:.0%} of the completions repeat themselves, {start:.0%} at the start, and the reward stays"


def same_text_takes_over(seen: Seen) -> str | None:
    """One text is the answer to everything, and the reward does not fall."""
    start, now = (
        start_of(seen.early, "rollout/commonest_share"),
        agreed(seen.latest, "rollout/commonest_share", min),
    )
    if start is None or now is None or now < max(SAME, start + GREW) or _reward_fell(seen):
        return None
    return (
        f"{now:.0%} of the completions are one and the same text, whatever the prompt ({start:.0%} at the"
        " start), and the reward stays"
    )


def format_takes_over(seen: Seen) -> str | None:
    """The reward rises and correctness falls: another component is what pays."""
    value, right = start_of(seen.early, "reward/mean"), start_of(seen.early, "reward/pass_rate")
    value_now = agreed(seen.latest, "reward/mean", min)
    right_now = agreed(seen.latest, "reward/pass_rate", max)
    if value is None or right is None or value_now is None or right_now is None:
        return None
    if value_now < value + 2 * GAIN or right_now > right - GAIN:
        return None
    starts = {key: start_of(seen.early, key) for key in seen.latest[-1] if is_component(key)}
    grew = {key: seen.latest[-1][key] - base for key, base in starts.items() if base is not None}
    named = f"; the component that rose most is {max(grew, key=grew.__getitem__)}" if grew else ""
    return (
        f"the mean reward rose to {value_now:.2f} from {value:.2f}, and the share of right answers fell to"
        f" {right_now:.2f} from {right:.2f}{named}"
    )


def reason_takes_over(seen: Seen) -> str | None:
    """Most verdicts have one reason that was rare at the start."""
    for key in seen.latest[-1]:
        if not key.startswith(REASON):
            continue
        now = agreed(seen.latest, key, min)
        early = [row.get(key) or 0.0 for row in seen.early]
        if now is None or now < TAKES_OVER or sorted(early)[len(early) // 2] > GREW:
            continue
        reason = key.removeprefix(REASON).replace("_", " ")
        return f"{now:.0%} of all verdicts are '{reason}', which was rare at the start"
    return None


def _reward_fell(seen: Seen) -> bool:
    start, now = start_of(seen.early, "reward/mean"), agreed(seen.latest, "reward/mean", max)
    return start is not None and now is not None and now < start


RULES: dict[str, Rule] = {
    "battery_accepted": Rule(
        find=battery_accepted,
        about="truth",
        severity="critical",
        symptom="the reward takes an answer as right that must be wrong (empty, hollow, hedged, injected)",
        cause="the reward can be gamed, and training will find out how",
        fix="tighten the reward until it rejects the battery",
        knob="task.reward, task.reward_args, t2rl rewards check",
        source="by definition: one is too many",
    ),
    "held_out_falls": Rule(
        find=held_out_falls,
        about="truth",
        severity="critical",
        of_rows=False,
        symptom=(
            f"the training reward rises by {GAIN:g} and held-out pass@1 falls by {FALL:g} and"
            f" {SIGMAS:g} standard errors; or the one rises by {LARGE_GAIN:g} and the other by less than"
            f" {FOLLOWS:.0%} of it"
        ),
        cause="the reward is gamed: it pays for something else than being right",
        fix="read the best-paid samples, run the reward's battery, and stop until the reward is mended",
        knob="t2rl samples, t2rl rewards check, t2rl stop",
        source="paired by problem, so that the draw of problems is no noise; three standard errors",
    ),
    "same_text_takes_over": Rule(
        find=same_text_takes_over,
        about="truth",
        severity="critical",
        symptom=f"{SAME:.0%} of a step's completions are one text, {GREW:.0%} more than at the start",
        cause="the reward takes one answer for every prompt",
        fix="read it, and run the reward's battery",
        knob="t2rl samples, t2rl rewards check",
        source="our own: prompts differ, so their answers should; the start is what the task allows",
    ),
    "repetition_takes_over": Rule(
        find=repetition_takes_over,
        about="truth",
        symptom=f"{REPEATING:.0%} of the completions repeat themselves, {GREW:.0%} more than at the start",
        cause="the reward does not mind repetition, or pays for length",
        fix="read the samples; punish repetition, or bound the length",
        knob="t2rl samples, task.reward_args, algorithm.shaping, rollout.max_tokens",
        source="our own: fewer than half of the 4-grams of a normal text occur twice",
    ),
    "format_takes_over": Rule(
        find=format_takes_over,
        about="truth",
        symptom=f"the mean reward rises by {2 * GAIN:g} and the share of right answers falls by {GAIN:g}",
        cause="a component beside correctness (format, length, style) is what pays",
        fix="lower its weight, or multiply it with correctness",
        knob="task.reward_args, algorithm.shaping",
        source="our own: twice the noise of a step of 512 rollouts",
    ),
    "reason_takes_over": Rule(
        find=reason_takes_over,
        about="truth",
        symptom=f"{TAKES_OVER:.0%} of all verdicts have one reason that was rare at the start",
        cause="the policy has found a way around the reward, or no longer gives answers in its form",
        fix="read the samples with this reason",
        knob="t2rl samples, t2rl rewards score",
        source="our own: a majority",
    ),
    "length_takes_over": Rule(
        find=length_takes_over,
        about="truth",
        of_rows=False,
        symptom=(
            f"completions {LONGER:g} times as long (or short), reward and length correlated"
            f" ({LINKED:g}), and the held-out has not risen"
        ),
        cause="the reward pays for long answers, whatever they say",
        fix="take length out of the reward, or bound it",
        knob="task.reward_args, algorithm.shaping, rollout.max_tokens",
        source="our own: the quickstart's completions grow by as much and its held-out follows",
    ),
    "categories_fall": Rule(
        find=categories_fall,
        about="truth",
        of_rows=False,
        symptom=(
            f"a held-out category, or a suite, falls by {CATEGORY_FALL:g} and {SIGMAS:g} standard errors"
            " while another rises"
        ),
        cause="what is not trained is forgotten",
        fix="mix its prompts in, hold the policy closer, or stop earlier",
        knob="task, curriculum=balanced, algorithm.kl.coefficient, checkpoint.keep_best",
        source="paired by problem; any evaluation with categories serves, and every suite",
    ),
}
