"""A straight line; in budgeted training hard to beat (Li, Yumer & Ramanan 2020, arXiv 1905.04753)."""

from rl.config.learner import LearnerConfig
from rl.learner.schedules.moment import Moment


def linear(moment: Moment, config: LearnerConfig) -> float:
    """``1 - p``, p the share of the way gone."""
    return 1 - moment.progress
