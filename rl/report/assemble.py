"""One HTML file out of runs: facts, figures, tables, samples, and the scripts that show them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rl.commands.doctor.packages import installed
from rl.report.facts import facts_of, main_lines
from rl.report.figures.series import MOST
from rl.report.packing import packed_json, plotly_source, plotly_version
from rl.report.parts import Part, drawn_sections
from rl.report.results import Results, results_of
from rl.report.samples.pack import pack_samples
from rl.report.tables import Table, advice, equal_budgets, settings
from rl.views.run_view import RunView

PAGE = Path(__file__).parent / "page"
EARLY = "theme.js"
"""The script that runs before anything is shown."""
SCRIPTS = ("figures.js", "contents.js", "diff.js", "sample.js", "samples.js", "main.js")
BOUND = 5_000_000
"""Bytes of a page: mail and chat take it, and a phone opens it."""
REST = 300_000
"""Left for HTML, styles and scripts."""
NO_SAMPLES = "the run kept no rollouts (records.rollouts=none, or T2RL before 0.3.0), or --samples is 0."
TABLES = (("compare", equal_budgets), ("compare", settings), ("advice", advice))
MOST_TILES = 4
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A page and what it holds."""

    html: str
    figures: int
    samples_shown: int
    """Rollouts in the browser."""
    samples_of: int
    """Rollouts that the runs kept."""
    left_out: list[tuple[str, str]]
    """Title and reason of what the runs have no data for."""


def assemble(runs: Sequence[RunView], *, samples: int = 0, say: Progress = lambda text: None) -> Report:
    """The report of one or more runs; where there are several, the last one is what the others are compared
    with.

    Args:
        runs: at least one, each once.
        samples: rollouts in the browser, at most.
        say: told what is being done.
    """
    say("reading evaluations")
    results = [results_of(run) for run in runs]
    say("drawing figures")
    sections, left_out = drawn_sections(runs)
    for section, table in TABLES:
        if (made := table(runs)) is not None:
            _of(sections, section).tables.append(made)
    figures = packed_json({card.id: card.content for part in sections for card in part.cards})
    say("choosing samples")
    browser = pack_samples(runs, most=samples, room=BOUND - len(plotly_source()) - len(figures) - REST)
    if browser is None:
        left_out.append(("Samples", NO_SAMPLES))
    shown = [p for p in sections if p.cards or p.tables or (p.id == "samples" and browser)]
    say("putting the page together")
    html = (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=runs[0].name if len(runs) == 1 else " and ".join(run.name for run in runs),
            lead=_lead(runs),
            tiles=_tiles(runs, results),
            facts=_facts(runs, results),
            notes=_notes(runs),
            sections=shown,
            left_out=left_out,
            samples=browser,
            version=installed("t2rl") or "",
            written=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            plotly=plotly_source(),
            plotly_version=plotly_version(),
            figures=figures,
            css=_file("report.css"),
            early=_file(EARLY),
            js="\n".join(_file(name) for name in SCRIPTS),
        )
    )
    return Report(
        html=html,
        figures=sum(len(part.cards) for part in shown),
        samples_shown=browser.shown if browser else 0,
        samples_of=browser.kept if browser else 0,
        left_out=left_out,
    )


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _file(name: str) -> str:
    """One of our own files; the template marks them safe, and nothing else."""
    return (PAGE / name).read_text(encoding="utf-8")


def _of(sections: list[Part], name: str) -> Part:
    return next(part for part in sections if part.id == name)


def _lead(runs: Sequence[RunView]) -> str:
    if len(runs) == 1:
        return f"One run, read from {runs[0].path}."
    return (
        f"{len(runs)} runs laid over each other. The baseline, which the others are compared with, is"
        f" {runs[-1].name}."
    )


def _facts(runs: Sequence[RunView], results: Sequence[Results | None]) -> Table:
    found = [facts_of(run, result) for run, result in zip(runs, results, strict=True)]
    names = dict.fromkeys(name for facts in found for name in facts)
    return Table(
        id="facts",
        title="Facts of the run" if len(runs) == 1 else "Facts of the runs",
        head=["", *(run.name for run in runs)] if len(runs) > 1 else [],
        rows=[[name, *(facts.get(name, "") for facts in found)] for name in names],
    )


def _tiles(runs: Sequence[RunView], results: Sequence[Results | None]) -> list[dict[str, Any]]:
    """The held-out results of one run in large figures."""
    if len(runs) > 1 or results[0] is None:
        return []
    tiles = []
    for line in main_lines(results[0])[:MOST_TILES]:
        shift = line.difference
        tiles.append(
            {
                "name": f"held-out {line.metric}",
                "value": f"{100 * line.after.value:.1f}%",
                "note": f"95% interval {100 * line.after.low:.1f} to {100 * line.after.high:.1f}"
                if shift is None
                else f"{100 * shift.value:+.1f} points ({100 * shift.low:+.1f} to {100 * shift.high:+.1f})",
            }
        )
    return tiles


def _notes(runs: Sequence[RunView]) -> list[str]:
    longest = max(run.steps_done for run in runs)
    notes = []
    if longest >= 12:
        notes.append(
            "Curves: dots are single steps, a line is the mean over a window of neighbouring steps, and its"
            " band the 95% interval of that mean."
        )
    if longest > MOST:
        notes.append(
            f"A run of more than {MOST} steps is drawn by {MOST} points, each the mean of neighbouring steps;"
            " metrics.jsonl has every step."
        )
    return notes
