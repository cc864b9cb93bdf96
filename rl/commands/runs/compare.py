"""Runs side by side: settings, held-out results over the same problems, tokens, time and cost."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from planner.estimators.bootstrap import Difference, Interval, paired_difference
from planner.estimators.intervals import benchmark_pass_at_k
from planner.estimators.pass_at_k import pass_at_k
from rl.views.differences import config_differences
from rl.views.evaluations import Counts
from rl.views.run_view import RunView
from rl.views.words import duration

RESAMPLES = 2000
COST = "cost/total_"
"""Metrics of what a run has cost so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Tokens and seconds of training behind one version."""

    tokens: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run's held-out pass@k of one version, and what it is more than the baseline's."""

    run: str
    version: int
    temperature: float
    k: int
    spent: Spent
    value: Interval
    problems: int
    difference: Difference | None
    """Over the same problems; None for the baseline, and where the problems are others."""
    why_not: str = ""
    """The reason for no difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that is printed."""

    runs: list[str]
    settings: dict[str, list[str]]
    steps: list[int]
    spent: list[Spent]
    cost: dict[str, list[float | None]]
    newest: list[Result]
    """The newest evaluation of each, whatever it cost."""
    at_equal_tokens: list[Result]
    at_equal_seconds: list[Result]


def compare_runs(runs: Sequence[RunView]) -> Comparison:
    """Compare every run with the first.

    Raises:
        ValueError: There are fewer than two.
    """
    if len(runs) < 2:
        raise ValueError(
            f"name two runs or more; only {runs[0].name} was named" if runs else "name two runs or more"
        )
    ks = [int(k) for k in runs[0].setting("evaluation.ks", [1])]
    totals = [spent_at(run, run.steps_done) for run in runs]
    rows = [(run.metrics() or [{}])[-1] for run in runs]
    keys = sorted({key for row in rows for key in row if key.startswith(COST)})
    return Comparison(
        runs=[run.name for run in runs],
        settings=config_differences(runs),
        steps=[run.steps_done for run in runs],
        spent=totals,
        cost={key.removeprefix(COST): [row.get(key) for row in rows] for key in keys},
        newest=_results(runs, [_newest(run) for run in runs], ks),
        at_equal_tokens=_at_equal(runs, [total.tokens for total in totals], "tokens", ks),
        at_equal_seconds=_at_equal(runs, [total.seconds for total in totals], "seconds", ks),
    )


def spent_at(run: RunView, version: int) -> Spent:
    """Sum up what the run had spent when so many steps were done; None where it does not say (SFT, DPO)."""
    rows = [row for row in run.metrics() if row["step"] < version]
    tokens = [row["rollout/total_tokens"] for row in rows if row.get("rollout/total_tokens") is not None]
    seconds = [row["time/step_s"] for row in rows if row.get("time/step_s") is not None]
    nothing = 0.0 if version == 0 else None
    return Spent(
        tokens=float(tokens[-1]) if tokens else nothing, seconds=float(sum(seconds)) if seconds else nothing
    )


def print_comparison(paths: Sequence[Path], *, as_json: bool) -> None:
    """Print it as tables, or as JSON.

    Raises:
        ValueError: A path is no run, or there are fewer than two.
    """
    found = compare_runs([RunView(path) for path in paths])
    if as_json:
        print(json.dumps(_plain(asdict(found)), indent=2))
        return
    console = Console()
    console.print(
        _settings(found) if found.settings else "The settings are the same, but for name and directory."
    )
    console.print(_totals(found))
    for title, results in (
        ("Held-out, newest evaluation", found.newest),
        ("Held-out at equal tokens: the newest evaluation that all could afford", found.at_equal_tokens),
        ("Held-out at equal wall-clock of training", found.at_equal_seconds),
    ):
        console.print(
            _held_out(title, results) if results else f"{title}: not evaluated, or not known what it cost"
        )


def _newest(run: RunView) -> list[Counts]:
    """The newest version's counts at the main temperature, as [one] or []."""
    return _main(run)[-1:]


def _main(run: RunView) -> list[Counts]:
    temperature = run.setting("evaluation.temperature")
    return [
        counts
        for counts in run.evaluations()
        if counts.sampling.temperature == temperature and any(row["n"] for row in counts.rows)
    ]


def _at_equal(
    runs: Sequence[RunView], totals: Sequence[float | None], what: str, ks: Sequence[int]
) -> list[Result]:
    """Results of the newest evaluation of each run that cost no more than the cheapest run as a whole."""
    if any(total is None for total in totals):
        return []
    most = min(total for total in totals if total is not None)
    affordable = [
        [counts for counts in _main(run) if (getattr(spent_at(run, counts.version), what) or 0.0) <= most][
            -1:
        ]
        for run in runs
    ]
    return _results(runs, affordable, ks)


def _results(runs: Sequence[RunView], counts: Sequence[list[Counts]], ks: Sequence[int]) -> list[Result]:
    """One result for each k and run; [] unless every run has counts."""
    if not all(counts):
        return []
    chosen = [found[0] for found in counts]
    return [
        _result(run, mine, None if run is runs[0] else chosen[0], k)
        for k in ks
        for run, mine in zip(runs, chosen, strict=True)
    ]


def _result(run: RunView, mine: Counts, baseline: Counts | None, k: int) -> Result:
    rows = {row["id"]: row for row in mine.rows if row["n"] >= k}
    difference, why_not = (None, "") if baseline is None else _difference(rows, baseline, mine, k)
    nothing = Interval(value=math.nan, low=math.nan, high=math.nan)
    return Result(
        run=run.name,
        version=mine.version,
        temperature=mine.sampling.temperature,
        k=k,
        spent=spent_at(run, mine.version),
        value=benchmark_pass_at_k([row["n"] for row in rows.values()], [row["c"] for row in rows.values()], k)
        if rows
        else nothing,
        problems=len(rows),
        difference=difference,
        why_not=why_not,
    )


def _difference(
    rows: Mapping[str, Mapping[str, Any]], baseline: Counts, mine: Counts, k: int
) -> tuple[Difference | None, str]:
    """The paired difference over problems that both have, and else why there is none."""
    if baseline.sampling.temperature != mine.sampling.temperature:
        return None, "another temperature"
    theirs = {row["id"]: row for row in baseline.rows if row["n"] >= k}
    if {row["id"] for row in baseline.rows} != {row["id"] for row in mine.rows}:
        return None, "other problems"
    shared = sorted(rows.keys() & theirs.keys(), key=str)
    if not shared:
        return None, f"fewer than {k} samples a problem"
    values = [
        pass_at_k([one[name]["n"] for name in shared], [one[name]["c"] for name in shared], k)
        for one in (theirs, rows)
    ]
    return paired_difference(values[0], values[1], resamples=RESAMPLES), ""


def _settings(found: Comparison) -> Table:
    table = _table("Settings that differ", "setting", *found.runs)
    for name, values in found.settings.items():
        table.add_row(name, *values)
    return table


def _totals(found: Comparison) -> Table:
    table = _table("Totals", "", *found.runs)
    table.add_row("steps", *(f"{steps:,}" for steps in found.steps))
    table.add_row("sampled tokens", *("" if s.tokens is None else f"{s.tokens:,.0f}" for s in found.spent))
    table.add_row("training time", *("" if s.seconds is None else duration(s.seconds) for s in found.spent))
    for name, values in found.cost.items():
        table.add_row(name.replace("_", " "), *("" if v is None else f"{v:,.4g}" for v in values))
    return table


def _held_out(title: str, results: Sequence[Result]) -> Table:
    headings = ("run", "step", "tokens", "time", "metric", "value", f"minus {results[0].run}")
    table = _table(title, *headings)
    for result in results:
        tokens, seconds = result.spent.tokens, result.spent.seconds
        table.add_row(
            result.run,
            str(result.version),
            "" if tokens is None else f"{tokens:,.0f}",
            "" if seconds is None else duration(seconds),
            f"pass@{result.k} T={result.temperature:g}",
            _span(result.value),
            result.why_not if result.difference is None else _bold(result.difference),
        )
    return table


def _bold(difference: Difference) -> str:
    text = _span(difference, sign="+")
    return f"[bold]{text}[/bold]" if difference.excludes_zero else text


def _span(interval: Interval, *, sign: str = "") -> str:
    if math.isnan(interval.value):
        return "not known"
    return f"{interval.value:{sign}.3f} ({interval.low:{sign}.3f} to {interval.high:{sign}.3f})"


def _table(title: str, *headings: str) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right", overflow="fold")
    return table


def _plain(value: Any) -> Any:
    """NaN becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
