"""The contract of a learning-rate schedule: ``(Moment, config) -> share of the way from floor to peak``."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

from rl.config.learner import ConstantSchedule, LearnerConfig
from rl.learner.schedules import Moment, Schedule, lr_multiplier
from rollout.contract import require

SPANS = (1, 2, 9, 1000)
PEAKS = (1, 10)
WARMUP = 4
FLOOR = 0.25


@dataclass(frozen=True, kw_only=True)
class AskedSchedule:
    """A schedule with the settings that it reads; ``config.schedule`` names it."""

    schedule: Schedule
    config: LearnerConfig

    def __call__(self, moment: Moment) -> float:
        """The share, checked for type and range."""
        share = self.schedule(moment, self.config)
        number = isinstance(share, Real) and not isinstance(share, bool)
        require(number, f"at {moment} it gives {type(share).__name__}; give a float")
        require(math.isfinite(share), f"at {moment} it gives {share}")
        require(0 <= share <= 1 + 1e-9, f"at {moment} it gives {share:g}; give 0 (the floor) to 1 (the peak)")
        return float(share)

    def multiplier(self, *, warmup: int, total: int) -> list[float]:
        """[total] shares of the peak rate in a run of that many updates."""
        ends_on = {} if isinstance(self.config.schedule, ConstantSchedule) else {"min_lr_ratio": FLOOR}
        schedule = self.config.schedule.model_copy(update=ends_on)
        own = self.config.model_copy(update={"warmup_steps": warmup, "schedule": schedule})
        share = lr_multiplier(own, total_updates=total)
        return [share(update) for update in range(total)]


def in_range(asked: AskedSchedule) -> None:
    """A finite number from 0 to 1 at every update of short runs and long ones."""
    for span in SPANS:
        for peak in PEAKS:
            for elapsed in range(span + 1):
                asked(Moment(peak=peak, span=span, elapsed=elapsed))


def starts_at_the_peak(asked: AskedSchedule) -> None:
    """At the end of the warm-up the rate is the peak's."""
    for span in SPANS:
        share = asked(Moment(peak=1, span=span, elapsed=0))
        require(
            abs(share - 1) < 1e-6,
            f"it begins at {share:g} of the peak in a run of {span + 1} updates; give 1",
        )


def warms_up(asked: AskedSchedule) -> None:
    """The rate rises by equal steps to the peak, and falls from there."""
    curve = asked.multiplier(warmup=WARMUP, total=20)
    wanted = [(update + 1) / WARMUP for update in range(WARMUP)]
    require(curve[:WARMUP] == wanted, f"the warm-up is {curve[:WARMUP]}, not {wanted}")
    require(max(curve) <= 1 + 1e-9, f"the rate rises above its peak, to {max(curve):g} of it")


def ends_on_the_floor(asked: AskedSchedule) -> None:
    """The last update of a run of any length is at ``min_lr_ratio``."""
    for total in (WARMUP + 2, 20, 500):
        last = asked.multiplier(warmup=WARMUP, total=total)[-1]
        require(
            abs(last - FLOOR) < 1e-6,
            f"the last of {total} updates is at {last:g} of the peak, and min_lr_ratio is {FLOOR}; give 0 at"
            " moment.progress 1, or allow this check",
        )


def asked_in_any_order(asked: AskedSchedule) -> None:
    """It remembers nothing: a resumed run asks from the middle."""
    moments = [Moment(peak=1, span=9, elapsed=elapsed) for elapsed in range(10)]
    forwards = [asked(moment) for moment in moments]
    backwards = [asked(moment) for moment in reversed(moments)][::-1]
    require(forwards == backwards, "asked in another order, it answers otherwise: a resumed run would differ")


CHECKS: dict[str, Callable[[AskedSchedule], None]] = {
    "finite, from 0 to 1": in_range,
    "starts at the peak": starts_at_the_peak,
    "warm-up and no more than the peak": warms_up,
    "ends on min_lr_ratio": ends_on_the_floor,
    "same update, same rate": asked_in_any_order,
}
"""Name -> check, in the order to run them."""

DECLARED: dict[str, tuple[str, ...]] = {"constant": ("ends on min_lr_ratio",)}
"""Shipped name -> checks that it is declared not to keep."""
