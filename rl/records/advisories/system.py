"""Rules about the system: does a half wait for the other, do weights and numbers travel as they should, and
will the machine last."""

from rl.records.advisories.base import Row, Rule, Said, Seen, agreed, start_of
from rl.records.advisories.split import split_in_words

MEDIANS = 6.0
"""Medians of a step without an end from which a loop counts as stalled."""
SHORTEST_STALL_S = 10.0
"""Nobody acts on less; tiny runs have steps of half a second, and a loaded machine makes them ten."""
STARVED = 0.8
"""Idle share from which a half has next to nothing to do."""
WORKING = 0.2
"""Idle share up to which a half is the one that is waited for."""
AT_BOUND = 0.8
"""Share of groups that are as old as the bound allows."""
FAILING = 0.05
"""Share of samples without a verdict from which it is worth saying."""
WAITED = 0.3
"""Idle share of the learner from which queues in the engines cost steps."""
SOON_S = 1800.0
"""Seconds that are left of disk or memory from which someone must act now."""
LITTLE_DISK_GB = 1.0
"""Below this the next checkpoint may not fit."""
LITTLE_MEMORY = 0.03
"""Share of the memory that is left when the kernel is about to kill something."""
TIGHT_MEMORY = 0.15
"""Above this share, a pace says little: caches come and go."""
BIASED = 0.15
"""Error of the predicted pass rate; the standard error of a plan of 32 groups of 16 is below .03."""

_GUILTY = (
    ("to finish group", "an engine hangs or is very slow", "look at its log; kill it and it is replaced",
     "t2rl logs RUN, stream.group_timeout_s, rollout.max_restarts"),
    ("rewards of", "the reward hangs or is very slow", "bound its time, or make it faster",
     "verifiers.timeout_s, verifiers.workers"),
    ("to load version", "an engine does not take the new weights", "look at its log; kill it and it is"
     " replaced", "t2rl logs RUN, stream.sync_timeout_s"),
    ("the disk", "the disk is slow or full", "free some space, or take another disk", "run.dir,"
     " checkpoint.every"),
    ("learner", "a learner rank hangs or is very slow", "look at its log; kill it and the run goes on from"
     " its checkpoint", "t2rl logs RUN, stream.step_timeout_s, learner.max_restarts"),
)  # fmt: skip
"""(words of a wait, cause, fix, knob); the first that some loop waits for is the deepest."""


def stalled(seen: Seen) -> Said | None:
    """A step does not end."""
    stall = seen.stall
    if stall is None or stall.waited_s < max(SHORTEST_STALL_S, MEDIANS * stall.median_s):
        return None
    waits = "; ".join(f"{loop} waits for {what}" for loop, what in stall.waits.items())
    text = (
        f"no step has ended for {stall.waited_s:.0f} s; the median step takes {stall.median_s:.1f} s."
        f" {waits or 'No loop says what it waits for'}"
    )
    for words, cause, fix, knob in _GUILTY:
        if any(words in what for what in stall.waits.values()):
            return Said(text=text, cause=cause, fix=fix, knob=knob)
    return Said(text=text)


def learner_starved(seen: Seen) -> Said | None:
    """The learner waits for rollouts most of the time."""
    idle = agreed(seen.latest, "time/learner_idle_share", min)
    engines = agreed(seen.latest, "time/engine_idle_share", max)
    if idle is None or idle < STARVED or engines is None or engines > WORKING:
        return None
    text = f"the learner waits for rollouts {idle:.0%} of the time"
    if seen.setting("stream.max_staleness") == 0:
        return Said(
            text=text,
            cause="training is synchronous: learner and engines take turns",
            fix="let rollouts be one version old, or give the engines more of the machine",
            knob="stream.max_staleness, rollout.num_engines",
        )
    return Said(text=f"{text}. {split_in_words(seen, engine_idle=engines, learner_idle=idle)}")


def engines_starved(seen: Seen) -> Said | None:
    """The engines have nothing to sample most of the time."""
    idle = agreed(seen.latest, "time/engine_idle_share", min)
    learner = agreed(seen.latest, "time/learner_idle_share", max)
    if idle is None or idle < STARVED or learner is None or learner > WORKING:
        return None
    split = split_in_words(seen, engine_idle=idle, learner_idle=learner)
    return Said(text=f"the engines have nothing to sample {idle:.0%} of the time. {split}")


def stale_at_bound(seen: Seen) -> str | None:
    """Engines run ahead as far as they may, and it buys nothing."""
    bound = seen.setting("stream.max_staleness", 0)
    share = agreed(seen.latest, "buffer/at_bound_share", min)
    idle = agreed(seen.latest, "time/learner_idle_share", max)
    if bound < 2 or share is None or share < AT_BOUND or idle is None or idle > WORKING:
        return None
    return (
        f"{share:.0%} of the groups are {bound} versions old when they are trained, the oldest that"
        f" stream.max_staleness allows, and the learner waits only {idle:.0%} of the time"
    )


def slow_sync(seen: Seen) -> str | None:
    """A push takes longer than a step."""
    pairs = [
        (row["sync/push_s"], row["time/step_s"])
        for row in seen.latest
        if row.get("sync/push_s") is not None and row.get("time/step_s")
    ]
    if len(pairs) < 3 or any(push <= step for push, step in pairs):
        return None
    push, step = pairs[-1]
    return f"pushing new weights takes {push:.1f} s, longer than a step ({step:.1f} s)"


def long_queues(seen: Seen) -> str | None:
    """Rollouts wait for a place in an engine longer than they are sampled, and the learner feels it."""
    idle = agreed(seen.latest, "time/learner_idle_share", min)
    pairs = [
        (row["time/queue_s"], row["time/generation_s"])
        for row in seen.latest
        if row.get("time/queue_s") is not None and row.get("time/generation_s") is not None
    ]
    if idle is None or idle < WAITED or len(pairs) < 3 or any(queue <= work for queue, work in pairs):
        return None
    queue, work = pairs[-1]
    return (
        f"a rollout waits {queue:.1f} s for a place in an engine and is sampled in {work:.1f} s, while the"
        f" learner waits {idle:.0%} of the time"
    )


def unjudged_samples(seen: Seen) -> str | None:
    """The reward fails on a part of the samples."""
    shares = [
        row["reward/unjudged"] / row["rollout/rollouts"]
        for row in seen.latest
        if row.get("rollout/rollouts") and row.get("reward/unjudged") is not None
    ]
    if len(shares) < 3 or min(shares) < FAILING:
        return None
    return (
        f"{min(shares):.0%} of the samples or more could not be judged, and train nothing; reward/errors,"
        " crashes and timeouts count them"
    )


def gap_rising(seen: Seen) -> str | None:
    """Engine and learner disagree more than they used to."""
    start = start_of(seen.early, "learner/logprob_gap")
    now = agreed(seen.latest, "learner/logprob_gap", min)
    if start is None or now is None or now < max(6 * start, 0.05):
        return None
    return f"engine and learner differ by {now:.3f} nats a token, {start:.4f} at the start"


def stale_posteriors(seen: Seen) -> Said | None:
    """Pass rates that the planner or the curriculum reckons with are not those that are met."""
    pairs = [("the planner", "planner/posterior_bias", "")]
    pairs += [
        (f"the curriculum ({key.removeprefix('curriculum/').removesuffix('_estimate')})", key, unseen)
        for key in seen.latest[-1]
        if key.startswith("curriculum/") and key.endswith("_estimate")
        for unseen in [key.replace("_estimate", "_unseen_ratio")]
    ]
    for who, key, unseen in pairs:
        biases = [bias for row in seen.latest if (bias := _bias(row, key, unseen)) is not None]
        if len(biases) < 3:
            continue
        low, high = min(biases), max(biases)
        if low > BIASED or high < -BIASED:
            side = "above" if low > 0 else "below"
            return Said(text=f"the pass rates that {who} reckons with are {abs(biases[-1]):.2f} {side} those"
                        " that are met")  # fmt: skip
    return None


def _bias(row: Row, key: str, unseen: str) -> float | None:
    if not unseen:
        return row.get(key)
    rate = row.get("curriculum/pass_rate")
    if row.get(key) is None or rate is None or (row.get(unseen) or 0.0) > WORKING:
        return None
    return row[key] - rate


def disk_low(seen: Seen) -> str | None:
    """The disk of the run is nearly full, or will be soon."""
    row = seen.latest[-1]
    free, left = row.get("system/disk_free_gb"), row.get("system/disk_left_s")
    if free is None or free < 0:
        return None
    if free < LITTLE_DISK_GB:
        return f"{free:.2f} GB are free where the run is written"
    if left is not None and 0 <= left < SOON_S:
        return f"the disk is full in {left / 60:.0f} minutes at the pace of now ({free:.1f} GB are free)"
    return None


def memory_low(seen: Seen) -> str | None:
    """The machine's memory is nearly gone, or will be soon."""
    shares = agreed(seen.latest, "system/memory_free_share", max)
    if shares is None or shares < 0:
        return None
    row = seen.latest[-1]
    free, left = row.get("system/memory_free_gb") or 0.0, row.get("system/memory_left_s")
    if shares < LITTLE_MEMORY:
        return f"{free:.1f} GB of memory are left ({shares:.0%})"
    if shares < TIGHT_MEMORY and left is not None and 0 <= left < SOON_S:
        return f"memory is gone in {left / 60:.0f} minutes at the pace of now ({free:.1f} GB are left)"
    return None


RULES: dict[str, Rule] = {
    "stalled": Rule(
        find=stalled,
        about="system",
        severity="critical",
        of_rows=False,
        symptom=f"no step ends for {MEDIANS:g} medians of a step, and {SHORTEST_STALL_S:g} s at least",
        cause="an actor hangs: an engine, a learner rank or the reward",
        fix="see which loop waits for what; the run's own time limits end it later",
        knob="t2rl status RUN, t2rl logs RUN, stream.group_timeout_s, stream.step_timeout_s",
        source="our own: steps of a run differ by a factor of 2 to 3, with a checkpoint in one of them",
    ),
    "disk_low": Rule(
        find=disk_low,
        about="system",
        severity="critical",
        symptom=f"below {LITTLE_DISK_GB:g} GB, or full within {SOON_S / 60:g} minutes at this pace",
        cause="checkpoints, samples and logs fill the disk",
        fix="free some space, or keep less",
        knob="checkpoint.keep, records.rollouts, run.dir",
        source="our own: time enough to act",
    ),
    "memory_low": Rule(
        find=memory_low,
        about="system",
        severity="critical",
        symptom=(
            f"below {LITTLE_MEMORY:.0%}, or below {TIGHT_MEMORY:.0%} and gone within"
            f" {SOON_S / 60:g} minutes at this pace"
        ),
        cause="a process leaks, or the caches are too large for this machine",
        fix="see which process grows; lower caches, engines or verifier processes",
        knob="rollout.kv_cache_mib, rollout.num_engines, verifiers.workers",
        source="our own: time enough to act; the kernel kills at 0",
    ),
    "unjudged_samples": Rule(
        find=unjudged_samples,
        about="system",
        symptom=f"{FAILING:.0%} of the samples have no verdict",
        cause="the reward raises, dies or is too slow",
        fix="see the log, which names each kind of failure once with its place",
        knob="task.reward, verifiers.timeout_s",
        source="our own: below it, an outage of a service now and then",
    ),
    "engines_starved": Rule(
        find=engines_starved,
        about="system",
        severity="note",
        symptom=f"engines idle {STARVED:.0%} of the time, the learner at most {WORKING:.0%}",
        cause="the learner is the slower half, and the engines wait for its weights",
        fix="give the learner more of the machine, or let the engines sample more for each step",
        knob="rollout.num_engines, learner.num_ranks, learner.num_threads, stream.refill_rounds",
        source="arithmetic: a balanced split is 1.6 times as fast or more; the quickstart is below",
    ),
    "learner_starved": Rule(
        find=learner_starved,
        about="system",
        severity="note",
        symptom=f"the learner idle {STARVED:.0%} of the time, engines at most {WORKING:.0%}",
        cause="the engines are the slower half",
        fix="give the engines more of the machine",
        knob="rollout.num_engines, rollout.num_threads, stream.max_staleness",
        source="arithmetic: a balanced split is at least 1.6 times as fast",
    ),
    "stale_at_bound": Rule(
        find=stale_at_bound,
        about="system",
        severity="note",
        symptom=f"{AT_BOUND:.0%} of the groups as old as a bound of 2 or more allows, the learner busy",
        cause="the engines are the faster half and run ahead as far as they may; the age buys nothing",
        fix="lower the bound: the learner would still not wait; or correct for the age",
        knob="stream.max_staleness, algorithm=grpo_tis",
        source="arithmetic: where the learner does not wait, more age brings no more steps",
    ),
    "slow_sync": Rule(
        find=slow_sync,
        about="system",
        symptom="a push longer than a step, three times",
        cause="weights travel slower than they are made",
        fix="push faster, or less (a LoRA adapter), or make steps larger",
        knob="rollout.weight_transfer, learner.lora.push, stream.prompts_per_step",
        source="by definition: the engines then never catch up",
    ),
    "long_queues": Rule(
        find=long_queues,
        about="system",
        symptom=f"a rollout waits for a place longer than it is sampled, the learner idle {WAITED:.0%}",
        cause="more rollouts are sent than the engines take at once",
        fix="let an engine take more at once if its cache allows, or add engines",
        knob="rollout.max_num_seqs, rollout.num_engines, rollout.kv_cache_mib",
        source="Little's law: more rollouts wait than are sampled",
    ),
    "gap_rising": Rule(
        find=gap_rising,
        about="system",
        symptom="engine and learner differ six times as much as at the start, and .05 nats a token",
        cause="staleness, or a numerical mismatch (look at sync/probe_gap: it is measured on equal weights)",
        fix="lower the staleness if the probe's gap is small; else use one number format on both sides",
        knob="stream.max_staleness, rollout.dtype, learner.dtype, algorithm=grpo_tis",
        source="our own: bf16 alone makes .01 to .2 on the probe",
    ),
    "stale_posteriors": Rule(
        find=stale_posteriors,
        about="system",
        symptom=(
            f"predicted pass rates off by {BIASED:g} on one side, {WORKING:.0%} of the prompts unseen at most"
        ),
        cause="the policy moves on faster than its statistics fade",
        fix="let old observations fade faster",
        knob="curriculum.discount, algorithm.advantage.planner.every",
        source="arithmetic: five standard errors of a plan of 32 groups of 16",
    ),
}
