"""First against last evaluation of a run's suites: answers by pass@1 and greedy accuracy, text by bits a
byte."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from planner.estimators.bootstrap import Difference, Interval, bootstrap_mean, paired_difference
from rl.evaluation.likelihood import read_rows
from rl.views.evaluations import Counts, evaluation_files, likelihood_files, read_counts, suite_folders

BITS = "bits/byte"
ANY_LIMIT = 1
"""Suites' counts are compared by problem; the limit of a completion is the config's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteLine:
    """One figure of one suite."""

    suite: str
    metric: str
    """``greedy``, ``pass@1``, or ``bits/byte`` (a mean over passages; lower is likelier)."""
    temperature: float
    problems: int
    first: int
    """Steps behind the evaluation before."""
    last: int
    before: Interval
    after: Interval
    difference: Difference
    """After minus before, on the same problems."""

    @property
    def better(self) -> bool | None:
        """None where the interval of the difference holds 0."""
        if not self.difference.excludes_zero:
            return None
        return (self.difference.value > 0) is (self.metric != BITS)


Values = Mapping[str, float]


def suite_lines(directory: Path, *, upto: int, resamples: int = 2000) -> list[SuiteLine]:
    """Lines of every suite that was evaluated twice in ``RUN/eval`` on the same problems, of which those
    count that were judged both times.

    Args:
        directory: ``RUN/eval``.
        upto: the last version of the lineage; files of later ones are of an attempt that was gone back
            behind.
        resamples: bootstrap replicates.
    """
    lines = []
    for name, folder in suite_folders(directory).items():
        versions = {
            version: figures
            for version, figures in {**_answers(folder), **_texts(folder)}.items()
            if version <= upto
        }
        if len(versions) < 2:
            continue
        first, last = min(versions), max(versions)
        for (metric, temperature), before in versions[first].items():
            after = versions[last].get((metric, temperature))
            if after is None or after.keys() != before.keys():
                continue
            both = np.array([(before[key], after[key]) for key in before]).reshape(-1, 2)
            old, new = both[~np.isnan(both).any(axis=1)].T
            if not len(old):
                continue
            bounds: dict[str, Any] = {"bounds": None} if metric == BITS else {}
            options = {"resamples": resamples, **bounds}
            lines.append(
                SuiteLine(
                    suite=name,
                    metric=metric,
                    temperature=temperature,
                    problems=len(old),
                    first=first,
                    last=last,
                    before=bootstrap_mean(old, **options),
                    after=bootstrap_mean(new, **options),
                    difference=paired_difference(old, new, **options),
                )
            )
    return lines


def _answers(folder: Path) -> dict[int, dict[tuple[str, float], Values]]:
    found: dict[int, dict[tuple[str, float], Values]] = {}
    for path in evaluation_files(folder):
        for counts in read_counts(path, max_tokens=ANY_LIMIT, top_p=1.0):
            metric = "greedy" if counts.greedy else "pass@1"
            found.setdefault(counts.version, {})[metric, counts.sampling.temperature] = rates_of(counts)
    return found


def rates_of(counts: Counts) -> dict[str, float]:
    """Problem -> share of its judged completions that are right; NaN where none was judged."""
    return {row["id"]: row["c"] / row["n"] if row["n"] else math.nan for row in counts.rows}


def _texts(folder: Path) -> dict[int, dict[tuple[str, float], Values]]:
    found: dict[int, dict[tuple[str, float], Values]] = {}
    for path in likelihood_files(folder):
        rows = read_rows(path)
        found[rows[0]["version"]] = {(BITS, 0.0): {row["id"]: row["bits_per_byte"] for row in rows}}
    return found


def render_suites(lines: Sequence[SuiteLine]) -> Table:
    """Before, after and difference; bold where the interval excludes 0."""
    table = Table(
        title="Suites, before and after\n95% intervals over problems", box=None, padding=(0, 1, 0, 0)
    )
    for heading in ("suite", "metric"):
        table.add_column(heading, no_wrap=True)
    for heading in ("before", "after", "after - before"):
        table.add_column(heading, justify="right", no_wrap=True)
    previous = ""
    for line in lines:
        name = f"{line.suite} ({line.problems})" if line.suite != previous else ""
        metric = line.metric if line.temperature in (0, 1) else f"{line.metric} T={line.temperature:g}"
        moved = _span(line.difference, sign="+")
        moved = f"[bold]{moved}[/bold]" if line.difference.excludes_zero else moved
        table.add_row(name, metric, _span(line.before), _span(line.after), moved)
        previous = line.suite
    return table


def _span(interval: Interval, *, sign: str = "") -> str:
    """``.338 (.30 .38)``: without leading zeros, so that the table fits 80 columns."""
    numbers = [f"{interval.value:{sign}.3f}", f"{interval.low:{sign}.2f}", f"{interval.high:{sign}.2f}"]
    value, low, high = (n.replace("0.", ".", 1) if n.lstrip("+-").startswith("0.") else n for n in numbers)
    return value if math.isnan(interval.low) else f"{value} ({low} {high})"


def to_json(lines: Sequence[SuiteLine]) -> list[dict[str, Any]]:
    """One object a line."""
    return [asdict(line) for line in lines]
