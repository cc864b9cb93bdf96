"""Learning-rate schedules: how the rate falls from its peak at the end of the warm-up to the last update of
the run."""

from collections.abc import Callable

from rl.config.learner import LearnerConfig
from rl.learner.schedules.constant import constant
from rl.learner.schedules.cosine import cosine
from rl.learner.schedules.linear import linear
from rl.learner.schedules.moment import Moment
from rl.learner.schedules.power import power
from rl.learner.schedules.rex import rex
from rl.learner.schedules.uba import uba
from rl.learner.schedules.wsd import wsd

Schedule = Callable[[Moment, LearnerConfig], float]
"""1 at the peak; 0 at the last update stands for ``min_lr_ratio``."""

SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
    "rex": rex,
    "wsd": wsd,
    "power": power,
    "uba": uba,
}


def lr_multiplier(config: LearnerConfig, *, total_updates: int) -> Callable[[int], float]:
    """Update index (0-based) -> share of the peak learning rate.

    Rises linearly over ``warmup_steps`` updates: the first is at ``1 / warmup_steps``, the last of them at 1.
    From there the schedule falls, and the last update of the run is exactly at ``min_lr_ratio`` (except
    ``constant``); later ones stay there. Without a warm-up the first update is at 1.
    """
    schedule, warmup, floor = SCHEDULES[config.schedule], config.warmup_steps, config.min_lr_ratio
    peak = max(warmup, 1)
    span = max(total_updates - peak, 1)

    def multiplier(update: int) -> float:
        if update < warmup:
            return (update + 1) / warmup
        elapsed = min(max(update + 1 - peak, 0), span)
        return floor + (1 - floor) * schedule(Moment(peak=peak, span=span, elapsed=elapsed), config)

    return multiplier
