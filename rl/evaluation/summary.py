"""From per-problem counts to the table that a run prints: pass@k with intervals, before and after, overall
and by category."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from rich.table import Table

from planner.estimators.bootstrap import Difference, Interval, bootstrap_mean, paired_difference
from planner.estimators.intervals import benchmark_pass_at_k
from planner.estimators.pass_at_k import pass_at_k
from rollout.types import SamplingConfig

OVERALL = "overall"
REWARD = "reward"
SAME = 1e-9
"""Rewards of a problem that add up to its right answers within this are 0 and 1."""


class Counts(Protocol):
    """Successes of one policy version on a fixed set of problems, under one sampling config."""

    @property
    def sampling(self) -> SamplingConfig:
        """How the completions were drawn; temperature 0 is greedy."""
        ...

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """One for each problem: ``{id, category, difficulty, n, c}``, with ``unjudged`` completions that are
        not among the n, and ``reward``, the sum of the values of those that are, where whoever counted knows
        them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryLine:
    """One metric of one category under one sampling config."""

    category: str
    """``overall`` for all problems."""
    temperature: float
    metric: str
    """``pass@k``, ``greedy``, or ``reward``: the mean reward, where rewards are not simply 1 for right and 0
    for wrong."""
    alias: str
    """``avg@n`` beside pass@1, which is the same number; '' elsewhere."""
    num_problems: int
    """That the figure is of: those with too few judged completions for it are left out, before and after
    alike."""
    unjudged: int
    """Completions of the category that could not be judged, before and after together; they count nowhere."""
    before: Interval | None
    after: Interval
    difference: Difference | None
    """After minus before on the same problems; None without a before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSummary:
    """All lines, overall first, categories in alphabetical order."""

    lines: tuple[SummaryLine, ...]
    confidence: float

    def line(self, metric: str, *, category: str = OVERALL, temperature: float | None = None) -> SummaryLine:
        """The line asked for; without a temperature, the first sampling config that has the metric."""
        for line in self.lines:
            if (
                line.metric == metric
                and line.category == category
                and temperature in (None, line.temperature)
            ):
                return line
        raise KeyError(f"no {metric} for {category} at temperature {temperature}")


def summarise(
    after: Sequence[Counts],
    *,
    before: Sequence[Counts] | None = None,
    ks: Sequence[int],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> EvaluationSummary:
    """Estimate every metric with a problem-level bootstrap interval.

    Args:
        after: one entry per sampling config.
        before: the same configs and problems at an earlier version, or None.
        ks: the k of pass@k; each at most the samples of every problem. A problem of which fewer than k could
            be judged is left out of pass@k, on both sides. Greedy configs (temperature 0) give accuracy
            instead.
        confidence: of the intervals.
        resamples: bootstrap replicates.
        seed: of the replicates.

    Raises:
        ValueError: if before and after differ in configs or problems, or some k exceeds the samples drawn.
    """
    earlier = {counts.sampling.key: counts for counts in before or ()}
    lines: list[SummaryLine] = []
    options = {"confidence": confidence, "resamples": resamples, "seed": seed}
    for counts in after:
        if before is not None and counts.sampling.key not in earlier:
            raise ValueError(
                f"there is no evaluation before training at {counts.sampling.key}: nothing to compare with"
            )
        then = _aligned(counts, earlier[counts.sampling.key]) if before is not None else None
        lines += _lines(counts, then, ks=ks, options=options)
    return EvaluationSummary(
        lines=tuple(sorted(lines, key=lambda line: (line.category != OVERALL, line.category))),
        confidence=confidence,
    )


def render(summary: EvaluationSummary, *, title: str = "Evaluation") -> Table:
    """A table that fits 80 columns; differences whose interval excludes 0 are bold. Without a before there is
    one column.

    Categories are shown at the first sampling config and greedily; ``to_json`` has every line.
    """
    problems = (
        f"{max(line.num_problems for line in summary.lines)} problems, {summary.confidence:.0%} intervals"
        " over problems"
    )
    unjudged = sum(
        {line.temperature: line.unjudged for line in summary.lines if line.category == OVERALL}.values()
    )
    if unjudged:
        problems += f"\n{unjudged} completions could not be judged and count nowhere"
    table = Table(title=f"{title}\n{problems}", box=None, padding=(0, 1, 0, 0))
    for heading in ("category", "metric"):
        table.add_column(heading, no_wrap=True)
    compared = any(line.before is not None for line in summary.lines)
    for heading in ("before", "after", "after - before") if compared else ("value",):
        table.add_column(heading, justify="right", no_wrap=True)
    main = summary.lines[0].temperature
    shown = [line for line in summary.lines if line.category == OVERALL or line.temperature in (0, main)]
    previous = None
    for line in shown:
        if previous is not None and line.category != previous:
            table.add_row()
        table.add_row(*_cells(line, first=line.category != previous, compared=compared))
        previous = line.category
    return table


def to_json(summary: EvaluationSummary) -> list[dict[str, Any]]:
    """One JSON-able dict per line; limits that say nothing (NaN) become null."""
    return [_without_nan(asdict(line)) for line in summary.lines]


def _lines(
    counts: Counts, before: list[Mapping[str, Any]] | None, *, ks: Sequence[int], options: dict[str, Any]
) -> list[SummaryLine]:
    names = [str(row["category"]) for row in counts.rows]
    graded = all("reward" in row for row in [*counts.rows, *(before or [])]) and _graded(
        [*counts.rows, *(before or [])]
    )
    out = []
    for category in [OVERALL, *sorted(set(names))]:
        chosen = [i for i, name in enumerate(names) if category in (OVERALL, name)]
        unjudged = sum(
            rows[i].get("unjudged", 0) for rows in (counts.rows, before or ()) for i in chosen if rows
        )
        for metric, alias, k in [*_metrics(counts, ks), *([(REWARD, "", 1)] if graded else [])]:
            used = [
                i
                for i in chosen
                if all(_enough(rows[i], k) for rows in (counts.rows, before) if rows is not None)
            ]
            now = _estimates(counts.rows, used, metric, k)
            then = _estimates(before, used, metric, k) if before is not None else None
            paired = options | ({"bounds": None} if metric == REWARD else {})
            out.append(
                SummaryLine(
                    category=category,
                    temperature=counts.sampling.temperature,
                    metric=metric,
                    alias=alias,
                    num_problems=len(used),
                    unjudged=unjudged,
                    before=_interval(before, used, metric, k, options) if before is not None else None,
                    after=_interval(counts.rows, used, metric, k, options),
                    difference=paired_difference(then, now, **paired) if then is not None and used else None,
                )
            )
    return out


def _interval(
    rows: Sequence[Mapping[str, Any]], used: list[int], metric: str, k: int, options: dict[str, Any]
) -> Interval:
    """Return the interval of the mean; NaN where no problem is left. A reward may be any number, so equal
    ones say nothing of others."""
    if not used:
        return Interval(value=math.nan, low=math.nan, high=math.nan)
    if metric == REWARD:
        return bootstrap_mean(_estimates(rows, used, metric, k), **options, bounds=None)
    return benchmark_pass_at_k([rows[i]["n"] for i in used], [rows[i]["c"] for i in used], k, **options)


def _metrics(counts: Counts, ks: Sequence[int]) -> list[tuple[str, str, int]]:
    """(metric, alias, k) for one sampling config."""
    if counts.sampling.temperature == 0:
        return [("greedy", "", 1)]
    sizes = {row["n"] for row in counts.rows}
    alias = f"avg@{sizes.pop()}" if len(sizes) == 1 else "avg"
    return [(f"pass@{k}", alias if k == 1 else "", k) for k in ks]


def _enough(row: Mapping[str, Any], k: int) -> bool:
    """False where k of its samples were wanted, but too few could be judged."""
    return row["n"] >= k or not row.get("unjudged", 0)


def _graded(rows: Sequence[Mapping[str, Any]]) -> bool:
    """True if some reward was neither 1 for right nor 0 for wrong."""
    return any(abs(row["reward"] - row["c"]) > SAME for row in rows if "reward" in row)


def _estimates(rows: Sequence[Mapping[str, Any]], chosen: list[int], metric: str, k: int) -> np.ndarray:
    """[len(chosen)] unbiased pass@k (with k = 1 it is c / n), or the mean reward."""
    if metric == REWARD:
        return np.array([rows[i].get("reward", math.nan) / rows[i]["n"] for i in chosen])
    return pass_at_k([rows[i]["n"] for i in chosen], [rows[i]["c"] for i in chosen], k)


def _aligned(after: Counts, before: Counts) -> list[Mapping[str, Any]]:
    """The rows of ``before`` in the order of ``after``."""
    by_id = {row["id"]: row for row in before.rows}
    if len(by_id) != len(before.rows) or sorted(by_id) != sorted(row["id"] for row in after.rows):
        raise ValueError(
            f"before and after at {after.sampling.key} are not of the same problems: a paired difference"
            " means nothing"
        )
    return [by_id[row["id"]] for row in after.rows]


def _cells(line: SummaryLine, *, first: bool, compared: bool) -> list[str]:
    metric = (
        line.metric
        if line.temperature in (0, 1)
        else f"{line.metric} T={line.temperature:g}".replace("=0.", "=.")
    )
    if line.metric == REWARD and line.temperature == 0:
        metric = f"{REWARD} greedy"
    head = [line.category if first else "", metric]
    if not compared:
        return [*head, _span(line.after)]
    difference = ""
    if line.difference is not None:
        difference = _span(line.difference, sign="+")
        difference = f"[bold]{difference}[/bold]" if line.difference.excludes_zero else difference
    before = _span(line.before) if line.before is not None else ""
    return [*head, before, _span(line.after), difference]


def _span(interval: Interval, *, sign: str = "") -> str:
    """``.338 (.30 .38)``: leading zeros and brackets (which rich reads as markup) left out."""
    numbers = [f"{interval.value:{sign}.3f}", f"{interval.low:{sign}.2f}", f"{interval.high:{sign}.2f}"]
    value, low, high = (number.replace("0.", ".", 1) for number in numbers)
    return value if math.isnan(interval.low) else f"{value} ({low} {high})"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
