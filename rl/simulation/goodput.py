"""The price of failures of learner devices: steps done again, and time until the run is back.

A failure of an engine is part of the event model (``rl.simulation.system``); a learner that is lost ends the
attempt, and the run goes on from its last checkpoint. Failures come as a Poisson process.
"""

import math
from dataclasses import dataclass

from rl.simulation.spec import SystemSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodput:
    """Expected values."""

    failures_per_day: float
    """Failures of all devices, engines' and learner's."""
    share: float
    """Useful time over all time."""


def goodput(spec: SystemSpec, step_s: float) -> Goodput:
    """Return the share of a system whose steps take ``step_s`` while nothing fails.

    Between two checkpoints the run does k steps, useful seconds u = k step_s. With failures at a rate r of
    the learner's devices, and R seconds until it is back, the expected time until the k steps are done is
    (exp(r u) - 1) (1/r + R): a run that begins again whenever it fails (Daly 2006, eq. 13 without its
    approximation). Without checkpoints, ``checkpoint.every=0``, a day's work is what is lost.
    """
    faults, checkpoint = spec.faults, spec.checkpoint
    if not faults.gpu_mtbf_hours:
        return Goodput(failures_per_day=0.0, share=1.0)
    per_day = 24 * spec.gpus / faults.gpu_mtbf_hours
    rate = spec.learner.ranks * spec.learner.gpus / (faults.gpu_mtbf_hours * 3600)
    useful = checkpoint.every * step_s if checkpoint.every else 86_400.0
    if rate * useful > 500:  # exp would overflow: nothing ever gets done
        return Goodput(failures_per_day=per_day, share=0.0)
    expected = math.expm1(rate * useful) * (1 / rate + faults.restart_s)
    return Goodput(failures_per_day=per_day, share=useful / expected)


def best_interval_s(spec: SystemSpec) -> float:
    """Seconds between checkpoints that lose least, sqrt(2 save_s M) of Young (1974), with M the mean time
    between failures of the learner; infinite where nothing fails or a checkpoint costs nothing."""
    faults = spec.faults
    if not faults.gpu_mtbf_hours or not spec.checkpoint.save_s:
        return math.inf
    mean_s = faults.gpu_mtbf_hours * 3600 / (spec.learner.ranks * spec.learner.gpus)
    return math.sqrt(2 * spec.checkpoint.save_s * mean_s)


def spare_engines(spec: SystemSpec, *, enough: float = 0.99) -> int:
    """Engines beyond those needed, so that at least the needed ones live with probability ``enough``: the
    number that is down is about Poisson, its mean rate times ``faults.engine_recovery_s``."""
    faults, engines = spec.faults, spec.engines
    if not faults.gpu_mtbf_hours:
        return 0
    mean = engines.count * engines.gpus / (faults.gpu_mtbf_hours * 3600) * faults.engine_recovery_s
    term = total = math.exp(-mean)
    down = 0
    while total < enough:
        down += 1
        term *= mean / down
        total += term
    return down
