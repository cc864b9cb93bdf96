"""Warm-up, stable, decay (Hu et al. 2024, MiniCPM, arXiv 2404.06395)."""

from rl.config.learner import LearnerConfig
from rl.learner.schedules.decay import DECAYS
from rl.learner.schedules.moment import Moment


def wsd(moment: Moment, config: LearnerConfig) -> float:
    """1, then over the last ``schedule_decay_share`` of the way down by ``schedule_decay_shape``.

    MiniCPM decays exponentially and by choice of a time constant; here the decay ends exactly on
    ``min_lr_ratio``.
    """
    return DECAYS[config.schedule_decay_shape](moment.within_last(config.schedule_decay_share))
