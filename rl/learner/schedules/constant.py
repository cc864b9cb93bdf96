"""No decay."""

from rl.config.learner import LearnerConfig
from rl.learner.schedules.moment import Moment


def constant(moment: Moment, config: LearnerConfig) -> float:
    """1 throughout; ``min_lr_ratio`` is not read."""
    return 1.0
