"""Learning-rate schedules: how the rate falls from its peak at the end of the warm-up to the last update of
the run. A new one is a function and a line in ``SCHEDULES``."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from rl.config.learner import ConstantSchedule, LearnerConfig, PowerSchedule, UbaSchedule, WsdSchedule
from rollout.user_code import resolve_function


@dataclass(frozen=True, slots=True)
class Moment:
    """Where one update lies between the peak of the learning rate and the end of the run."""

    peak: int
    """Updates done when the rate is at its peak, that one included; at least 1."""
    span: int
    """Updates from there to the last of the run; at least 1."""
    elapsed: int
    """Updates since the peak, 0 to ``span``."""

    @property
    def progress(self) -> float:
        """0 at the peak, 1 at the last update."""
        return self.elapsed / self.span

    def within_last(self, share: float) -> float:
        """0 until the last ``share`` of the way begins, then rising to 1."""
        return max(0.0, 1 - (1 - self.progress) / share)


DECAYS: dict[str, Callable[[float], float]] = {
    "linear": lambda x: 1 - x,
    "cosine": lambda x: (1 + math.cos(math.pi * x)) / 2,
    # Haegele et al. 2024 (arXiv 2405.18392): better than the line for short decays.
    "sqrt": lambda x: 1 - math.sqrt(x),
}
"""How the last phase of ``wsd`` and ``power`` falls: 1 at 0, 0 at 1."""


def constant(moment: Moment, config: LearnerConfig) -> float:
    """1 throughout."""
    return 1.0


def linear(moment: Moment, config: LearnerConfig) -> float:
    """``1 - p``, p the share of the way gone; in budgeted training hard to beat (Li, Yumer & Ramanan 2020,
    arXiv 1905.04753)."""
    return 1 - moment.progress


def cosine(moment: Moment, config: LearnerConfig) -> float:
    """``(1 + cos(pi p)) / 2``, p the share of the way gone: half a cosine (Loshchilov & Hutter 2017, arXiv
    1608.03983, without restarts)."""
    return (1 + math.cos(math.pi * moment.progress)) / 2


def rex(moment: Moment, config: LearnerConfig) -> float:
    """``(1 - p) / (1/2 + (1 - p)/2)``, p the share of the way gone: REX, the reflected exponential (Chen,
    Wolfe & Kyrillidis 2021, arXiv 2107.04197). It is above the line all the way, and falls fastest at the
    end."""
    left = 1 - moment.progress
    return left / (0.5 + 0.5 * left)


def wsd(moment: Moment, config: LearnerConfig) -> float:
    """1, then over the last ``decay_share`` of the way down by ``decay_shape``: warm-up,
    stable, decay (Hu et al. 2024, MiniCPM, arXiv 2404.06395).

    MiniCPM decays exponentially and by choice of a time constant; here the decay ends exactly on
    ``min_lr_ratio``.
    """
    schedule = config.schedule
    assert isinstance(schedule, WsdSchedule)
    return DECAYS[schedule.decay_shape](moment.within_last(schedule.decay_share))


def power(moment: Moment, config: LearnerConfig) -> float:
    """``(n / n_peak)^-exponent`` in updates n, times the decay of ``wsd`` over the last share of the
    way: the power law (Shen et al. 2024, arXiv 2408.13359).

    The paper's rate is ``min(lr_max, a n^b)`` in tokens n with b near -0.51. Batches here are of one size on
    average, so updates stand for tokens, and ``a`` follows from meeting ``lr`` at the end of the warm-up.
    With exponent 0.5 this is the inverse square root of Vaswani et al. 2017 (arXiv 1706.03762);
    ``warmup_steps`` sets its time scale, so give one.
    """
    schedule = config.schedule
    assert isinstance(schedule, PowerSchedule)
    falling = ((moment.peak + moment.elapsed) / moment.peak) ** -schedule.exponent
    return falling * DECAYS[schedule.decay_shape](moment.within_last(schedule.decay_share))


def uba(moment: Moment, config: LearnerConfig) -> float:
    """``2 c / (2 phi + (2 - phi) c)`` with ``c = 1 + cos(pi p)``, p the share of the way gone and phi
    ``phi``: the unified budget-aware schedule (Tang et al. 2025, "Stepsize anything", arXiv
    2505.24452), one cycle of it.

    phi = 0 is constant (but for the last update), phi = 2 the cosine, larger ones fall faster; halfway it is
    ``2 / (2 + phi)``. The closed form is given as known and as a public implementation has it; the paper's
    own text was not at hand to compare.
    """
    assert isinstance(config.schedule, UbaSchedule)
    c, phi = 1 + math.cos(math.pi * moment.progress), config.schedule.phi
    # At the very end c is 0, and with phi = 0 the quotient is 0/0: the floor is what a schedule of a budget
    # ends on.
    return 0.0 if moment.elapsed == moment.span else 2 * c / (2 * phi + (2 - phi) * c)


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


def resolve_schedule(name: str) -> Schedule:
    """The schedule that ``learner.schedule`` names: one of ``SCHEDULES``, or outside code
    (``pkg.module:attr``).

    Raises:
        ValueError: naming the field and the choices.
    """
    return resolve_function("learner.schedule", name, SCHEDULES)


def lr_multiplier(config: LearnerConfig, *, total_updates: int) -> Callable[[int], float]:
    """Update index (0-based) -> share of the peak learning rate.

    Rises linearly over ``warmup_steps`` updates: the first is at ``1 / warmup_steps``, the last of them at 1.
    From there the schedule falls, and the last update of the run is exactly at ``min_lr_ratio`` (except
    ``constant``); later ones stay there. Without a warm-up the first update is at 1.
    """
    schedule, warmup = resolve_schedule(config.schedule.name), config.warmup_steps
    floor = 0.0 if isinstance(config.schedule, ConstantSchedule) else config.schedule.min_lr_ratio
    peak = max(warmup, 1)
    span = max(total_updates - peak, 1)

    def multiplier(update: int) -> float:
        if update < warmup:
            return (update + 1) / warmup
        elapsed = min(max(update + 1 - peak, 0), span)
        return floor + (1 - floor) * schedule(Moment(peak=peak, span=span, elapsed=elapsed), config)

    return multiplier
