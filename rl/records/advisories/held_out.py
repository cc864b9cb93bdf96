"""Changes between two evaluations, paired by problem: the draw of the problems is then no noise."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rl.records.advisories.base import HeldOut, Seen

FEWEST = 10
"""Problems of which a change is worth computing."""
AROUND = 5
"""Rows on each side of a version that say what the training reward was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Mean change of the pass rate, and its standard error."""

    mean: float
    error: float


def first_and_newest(evaluations: Sequence[HeldOut]) -> tuple[HeldOut, HeldOut] | None:
    """The two, if there are two."""
    return (evaluations[0], evaluations[-1]) if len(evaluations) >= 2 else None


def highest_before(evaluations: Sequence[HeldOut]) -> HeldOut:
    """The best evaluation before the newest; there are two at least."""
    return max(evaluations[:-1], key=lambda one: one.mean)


def change(before: HeldOut, after: HeldOut, *, problems: Sequence[str] | None = None) -> Change | None:
    """Over the problems that both have; None of fewer than ``FEWEST``."""
    shared = [
        after.rates[one] - before.rates[one]
        for one in (before.rates if problems is None else problems)
        if one in before.rates and one in after.rates
    ]
    if len(shared) < FEWEST:
        return None
    return Change(mean=statistics.fmean(shared), error=statistics.stdev(shared) / math.sqrt(len(shared)))


def by_category(before: HeldOut, after: HeldOut) -> dict[str, Change]:
    """The change of every category with enough problems."""
    problems: dict[str, list[str]] = {}
    for one in before.rates:
        problems.setdefault(after.categories.get(one, "default"), []).append(one)
    found = {name: change(before, after, problems=ids) for name, ids in problems.items()}
    return {name: one for name, one in found.items() if one is not None}


def by_suite(evaluations: Sequence[HeldOut]) -> dict[str, Change]:
    """The change of every suite between the first and the newest version that it was evaluated at."""
    found = {}
    for name in dict.fromkeys(name for one in evaluations for name in one.others):
        of_suite = [
            HeldOut(version=one.version, rates=one.others[name]) for one in evaluations if name in one.others
        ]
        if len(of_suite) >= 2 and (moved := change(of_suite[0], of_suite[-1])) is not None:
            found[name] = moved
    return found


def training_gain(seen: Seen, before: HeldOut, after: HeldOut) -> float | None:
    """Rise of the mean training reward from around one version to around another; None where no row tells."""
    start = _reward_around(seen, before.version)
    end = _reward_around(seen, after.version)
    return None if start is None or end is None else end - start


def _reward_around(seen: Seen, version: int) -> float | None:
    """The mean reward of the rows near a version; the first rows speak for the versions before them."""
    rows = {row["step"]: row for row in (*seen.early, *seen.rows) if "step" in row}
    values = [
        row["reward/mean"]
        for step, row in rows.items()
        if version - AROUND <= step < version + AROUND and row.get("reward/mean") is not None
    ]
    if version <= AROUND:  # before learning has moved it
        early = [row["reward/mean"] for row in seen.early if row.get("reward/mean") is not None]
        values = early or values
    return statistics.fmean(values) if values else None
