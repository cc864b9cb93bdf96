"""The split of a machine between engines and learner that would keep both busy."""

from dataclasses import dataclass

from rl.records.advisories.base import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Units (GPUs, or CPU threads) of each half."""

    engines: int
    learner: int
    speed_up: float
    """Steps a second at the split with fractions of units, over those of now."""


def balanced(*, engines: int, learner: int, engine_idle: float, learner_idle: float) -> Split:
    """The split of the same units in proportion to the work that each half did.

    Work is units times busy share; it is assumed to spread over more units without loss.

    Example: 1 engine, idle .9, beside 1 rank that never waits: work .1 and 1.0, so of 2 units the engine
    should have .2 and the learner 1.8; whole units leave 1 and 1.
    """
    total = engines + learner
    work = engines * (1 - engine_idle), learner * (1 - learner_idle)
    if sum(work) <= 0:
        return Split(engines=engines, learner=learner, speed_up=1.0)
    share = work[0] / sum(work)
    whole = min(max(round(total * share), 1), total - 1)
    return Split(engines=whole, learner=total - whole, speed_up=total / sum(work))


def split_in_words(seen: Seen, *, engine_idle: float, learner_idle: float) -> str:
    """A sentence: the split of now, the one that balances, and how much faster steps would be at best."""
    on_cpu = seen.setting("rollout.device", "cpu") == "cpu"
    unit = "num_threads" if on_cpu else "tensor_parallel"
    engines = seen.setting("rollout.num_engines", 1) * (seen.setting(f"rollout.{unit}") or 1)
    ranks = seen.setting("learner.num_ranks", 1)
    learner = ranks * ((seen.setting("learner.num_threads") or 1) if on_cpu else 1)
    split = balanced(engines=engines, learner=learner, engine_idle=engine_idle, learner_idle=learner_idle)
    name = "CPU threads" if on_cpu else "GPUs"
    now = f"{engines} and {learner} {name}"
    if (split.engines, split.learner) != (engines, learner):
        return (
            f"Engines and learner have {now}; {split.engines} and {split.learner} would balance them, and"
            f" steps be up to {split.speed_up:.1f} times as fast"
        )
    slower, idle = ("learner", engine_idle) if engine_idle > learner_idle else ("engines", learner_idle)
    times = 1 / max(1 - idle, 0.01)
    return (
        f"Engines and learner have {now}, and fewer cannot be had: the {slower} would need"
        f" {times:.0f} times what they have now to keep the other half busy"
    )
