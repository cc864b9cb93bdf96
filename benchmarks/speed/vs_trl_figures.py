"""Figures of the comparison with TRL: rates, the time to a target, and pass@1 after equal time."""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.lib.common import show, spread
from benchmarks.lib.process_tree import CpuClock

Curve = list[tuple[float, float]]
"""(training seconds, held-out pass@1) of the base and of each snapshot."""
TRL = "trl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One training batch consumed: everything since the start of training."""

    seconds: float
    """Training time; start-up and snapshots left out."""
    ended: float
    """Seconds since the epoch."""
    rollouts: int
    tokens: int
    reward: float
    """Mean of this batch's rollouts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one run of one system did."""

    rollouts_per_s: float
    rollouts_per_cpu_s: float
    tokens_per_rollout: float
    cores_used: float
    step_seconds: list[float]
    """Training time at the end of each step."""


def summarise(steps: Sequence[Step], clock: CpuClock, *, first: int) -> Side:
    """Rates between the end of batch ``first`` and the last one."""
    start, end = steps[first], steps[-1]
    rollouts, seconds = end.rollouts - start.rollouts, end.seconds - start.seconds
    cpu = clock.between(start.ended, end.ended)
    return Side(
        rollouts_per_s=rollouts / seconds,
        rollouts_per_cpu_s=rollouts / cpu,
        tokens_per_rollout=(end.tokens - start.tokens) / rollouts,
        cores_used=cpu / (end.ended - start.ended),
        step_seconds=[round(s.seconds, 3) for s in steps],
    )


def time_to(curve: Curve, target: float) -> float | None:
    """Training seconds at which the curve first reaches the target; None if it does not."""
    for (t0, r0), (t1, r1) in itertools.pairwise(curve):
        if r0 >= target:
            return t0
        if r1 >= target:
            return t0 + (t1 - t0) * (target - r0) / (r1 - r0)
    return None


def after(curve: Curve, seconds: float) -> float:
    """pass@1 after so much training, at most that of the whole run; between snapshots interpolated."""
    for (t0, r0), (t1, r1) in itertools.pairwise(curve):
        if seconds <= t1:
            return r0 + (r1 - r0) * (seconds - t0) / (t1 - t0)
    return curve[-1][1]


def common_target(curves: Mapping[str, Sequence[Curve]]) -> float:
    """Three quarters of what the slowest learner of them gains: all get there, none at once."""
    base = statistics.mean(c[0][1] for cs in curves.values() for c in cs)
    gains = [
        statistics.mean(statistics.mean(rate for _, rate in c[-3:]) for c in cs) - base
        for cs in curves.values()
    ]
    return base + 0.75 * min(gains)


def against_trl(
    sides: Mapping[str, Sequence[Side]], curves: Mapping[str, Sequence[Curve]], *, target: float
) -> dict[str, Any]:
    """For each way of ours its ratios to TRL, repeat by repeat; above 1 is better for us. pass@1 is after
    equal training time: the time of whichever run of the two ended first."""
    out: dict[str, Any] = {}
    for name in (name for name in sides if name != TRL):
        pairs = list(zip(sides[name], sides[TRL], strict=True))
        ratios = {
            "rollouts_per_s_ratio": spread([a.rollouts_per_s / b.rollouts_per_s for a, b in pairs]),
            "rollouts_per_cpu_s_ratio": spread(
                [a.rollouts_per_cpu_s / b.rollouts_per_cpu_s for a, b in pairs]
            ),
        }
        both = list(zip(curves[name], curves[TRL], strict=True))
        times = [(time_to(ours, target), time_to(theirs, target)) for ours, theirs in both]
        faster = [theirs / ours for ours, theirs in times if ours and theirs]
        if faster:
            ratios["target_time_ratio"] = spread(faster)
        show(f"{name} over TRL", ratios)
        equal = [
            {"seconds": end, name: round(after(ours, end), 4), TRL: round(after(theirs, end), 4)}
            for ours, theirs in both
            for end in [min(ours[-1][0], theirs[-1][0])]
        ]
        reached = {"ours": [ours for ours, _ in times], TRL: [theirs for _, theirs in times]}
        out[name] = ratios | {"target_reached_s": reached, "pass_at_1_after_equal_time": equal}
    return out


def raw(sides: Mapping[str, Sequence[Side]], curves: Mapping[str, Sequence[Curve]]) -> dict[str, Any]:
    """Every repeat of every side."""
    return {
        name: [asdict(side) | {"curve": curve} for side, curve in zip(sides[name], curves[name], strict=True)]
        for name in sides
    }
