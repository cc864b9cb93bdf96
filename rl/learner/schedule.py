"""Learning-rate schedules, as a multiplier of the peak rate."""

import math
from collections.abc import Callable

from rl.config.learner import LearnerConfig


def lr_multiplier(config: LearnerConfig, *, total_updates: int) -> Callable[[int], float]:
    """Update index (0-based) -> share of ``lr``.

    Rises linearly over ``warmup_steps`` updates (the first one is not 0), then holds, or falls to ``min_lr_ratio`` at
    ``total_updates`` and stays there.
    """
    warmup, floor = config.warmup_steps, config.min_lr_ratio
    span = max(total_updates - warmup, 1)

    def multiplier(update: int) -> float:
        if update < warmup:
            return (update + 1) / warmup
        if config.schedule == "constant":
            return 1.0
        progress = min((update - warmup) / span, 1.0)
        falling = 1 - progress if config.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
        return floor + (1 - floor) * falling

    return multiplier
