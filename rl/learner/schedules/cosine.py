"""Half a cosine (Loshchilov & Hutter 2017, arXiv 1608.03983, without restarts)."""

import math

from rl.config.learner import LearnerConfig
from rl.learner.schedules.moment import Moment


def cosine(moment: Moment, config: LearnerConfig) -> float:
    """``(1 + cos(pi p)) / 2``, p the share of the way gone."""
    return (1 + math.cos(math.pi * moment.progress)) / 2
