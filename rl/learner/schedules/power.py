"""The power law (Shen et al. 2024, arXiv 2408.13359), with a last phase of decay."""

from rl.config.learner import LearnerConfig
from rl.learner.schedules.decay import DECAYS
from rl.learner.schedules.moment import Moment


def power(moment: Moment, config: LearnerConfig) -> float:
    """``(n / n_peak)^-schedule_exponent`` in updates n, times the decay of ``wsd`` over the last share of the
    way.

    The paper's rate is ``min(lr_max, a n^b)`` in tokens n with b near -0.51. Batches here are of one size on
    average, so updates stand for tokens, and ``a`` follows from meeting ``lr`` at the end of the warm-up.
    With exponent 0.5 this is the inverse square root of Vaswani et al. 2017 (arXiv 1706.03762);
    ``warmup_steps`` sets its time scale, so give one.
    """
    falling = ((moment.peak + moment.elapsed) / moment.peak) ** -config.schedule_exponent
    return falling * DECAYS[config.schedule_decay_shape](moment.within_last(config.schedule_decay_share))
