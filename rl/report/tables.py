"""Tables of a report beside its figures: runs at equal budgets, settings that differ, advice."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from planner.estimators.bootstrap import Difference, paired_difference
from planner.estimators.pass_at_k import pass_at_k
from rl.report.facts import span
from rl.report.figures.equal_budget import Budget, spent, spent_at
from rl.report.figures.held_out import RESAMPLES, pass_at
from rl.views.differences import config_differences
from rl.views.evaluations import Counts
from rl.views.run_view import RunView

UNITS: dict[Budget, str] = {"tokens": "tokens", "seconds": "s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text; the first cell of a row is its heading."""

    id: str
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    intro: str = ""


def equal_budgets(runs: Sequence[RunView]) -> Table | None:
    """Each run against the last one: held-out pass@1 of the latest evaluations that both could afford."""
    rows = [
        row for run in runs[:-1] for budget in UNITS if (row := _at_equal(run, runs[-1], budget)) is not None
    ]
    if not rows:
        return None
    return Table(
        id="equal-budgets",
        title=f"Held-out pass@1 against {runs[-1].name}",
        intro="The latest evaluation of each within the budget; differences are over the same problems.",
        head=["run", "budget", "pass@1", f"pass@1 of {runs[-1].name}", "difference"],
        rows=rows,
    )


def settings(runs: Sequence[RunView]) -> Table | None:
    """Settings that are not the same in all runs; None for one run."""
    if len(runs) < 2:
        return None
    rows = config_differences(runs)
    return Table(
        id="settings",
        title="Settings that differ",
        intro="" if rows else "The configs are the same, but for the name and the directory.",
        head=["setting", *(run.name for run in runs)] if rows else [],
        rows=[[name, *values] for name, values in rows.items()],
    )


def advice(runs: Sequence[RunView]) -> Table | None:
    """Every piece of advice with its step, its time and what to do; None without any."""
    rows = [
        [
            f"{run.name}, step {row['step']}" if len(runs) > 1 else f"step {row['step']}",
            _clock(row.get("time")),
            ", ".join(part for part in (_words(row["name"]), _text(row.get("severity"))) if part),
            _text(row.get("text")) or "The text is in the log of the run (T2RL before 0.3.0).",
            _text(row.get("cause")),
            " ".join(part for part in (_text(row.get("fix")), _knob(row.get("knob"))) if part),
        ]
        for run in runs
        for row in run.advisories()
    ]
    if not rows:
        return None
    return Table(
        id="advice-table",
        title="Advice in words",
        head=["step", "time", "advice", "what was seen", "likely cause", "what to do"],
        rows=rows,
    )


def _at_equal(run: RunView, baseline: RunView, budget: Budget) -> list[str] | None:
    both = [spent(one, budget) for one in (run, baseline)]
    if not all(len(series) for series in both):
        return None
    most = min(float(series.y[-1]) for series in both)
    found = [
        [c for c in _evaluations(one) if spent_at(series, c.version) <= most]
        for one, series in zip((run, baseline), both, strict=True)
    ]
    if not all(found):
        return None
    mine, other = found[0][-1], found[1][-1]
    return [
        run.name,
        f"{most:,.0f} {UNITS[budget]}",
        f"{span(pass_at(mine, 1))} after {mine.version} steps",
        f"{span(pass_at(other, 1))} after {other.version} steps",
        _difference(mine, other),
    ]


def _evaluations(run: RunView) -> list[Counts]:
    main = run.setting("evaluation.temperature", 1.0)
    return [
        counts
        for counts in run.evaluations()
        if counts.sampling.temperature == main and any(row["n"] for row in counts.rows)
    ]


def _difference(mine: Counts, other: Counts) -> str:
    rates = [
        {row["id"]: float(pass_at_k([row["n"]], [row["c"]], 1)[0]) for row in counts.rows if row["n"]}
        for counts in (mine, other)
    ]
    if rates[0].keys() != rates[1].keys():
        return "other problems: not compared"
    ids = sorted(rates[0])
    found: Difference = paired_difference(
        [rates[1][name] for name in ids], [rates[0][name] for name in ids], resamples=RESAMPLES
    )
    return f"{span(found, sign='+')}, {len(ids)} problems"


def _clock(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _knob(name: object) -> str:
    return f"[{name}]" if name else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
