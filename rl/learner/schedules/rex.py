"""REX, the reflected exponential (Chen, Wolfe & Kyrillidis 2021, arXiv 2107.04197)."""

from rl.config.learner import LearnerConfig
from rl.learner.schedules.moment import Moment


def rex(moment: Moment, config: LearnerConfig) -> float:
    """``(1 - p) / (1/2 + (1 - p)/2)``, p the share of the way gone: above the line all the way, falling
    fastest at the end."""
    left = 1 - moment.progress
    return left / (0.5 + 0.5 * left)
