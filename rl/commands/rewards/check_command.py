"""``t2rl rewards check`` from its options to its table."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rewards.battery import CASES
from rewards.gold_forms import GOLD
from rl.commands.findings import read_arguments
from rl.commands.rewards.check import Line, Report, run_checks, to_json
from rl.commands.rewards.check_inputs import Subject, of_rows, of_task
from rl.commands.rewards.check_rates import Rate, read_labelled, write_spec
from rl.records.storage import require_file
from rl.scorers.rules import limits_of
from rl.tasks.base import Split

NO_GOLD = (
    f"no right completion can be made from these prompts alone: give each one in a column {GOLD} (in the"
    " metadata of a file task, or in the rows), and the check of right completions runs, too"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The user's choice of what is checked: a task of a config, or a reward with rows, labelled completions,
    or both."""

    task: str | None = None
    """A shipped config or a YAML file."""
    overrides: Sequence[str] = ()
    """Overrides of the config, ``a.b=c``."""
    split: str = "dev"
    """Split of the task."""
    reward: str | None = None
    """Instead of a task."""
    args: str = "{}"
    """The reward's arguments, as JSON."""
    rows: Path | None = None
    """Prompts for the reward."""
    labelled: Path | None = None
    """Completions with a label."""
    limit: int = 32
    """Prompts at most."""

    def subjects(self) -> list[Subject]:
        """The reward and its prompts; of a mixture those of each part.

        Raises:
            ValueError: what was chosen does not go together, or a file or config is wrong.
        """
        if (self.task is None) == (self.reward is None):
            raise ValueError(
                "name either a task (t2rl rewards check quickstart) or --reward with --rows or --labelled"
            )
        if self.task is not None:
            if self.rows is not None:
                raise ValueError("--rows: goes with --reward; a task has prompts of its own")
            for name in get_args(Split):
                if self.split == name:
                    return of_task(self.task, list(self.overrides), name, self.limit)
            raise ValueError(f"--split {self.split}: choose one of {', '.join(get_args(Split))}")
        if self.rows is None and self.labelled is None:
            raise ValueError(
                "--reward: give --rows FILE (prompts with their answers), --labelled FILE (judged"
                " completions), or both"
            )
        return [of_rows(str(self.reward), read_arguments(self.args), self.rows, self.limit)]


def check_command(
    choice: Choice,
    *,
    spec: Path | None,
    allow: Sequence[str],
    timeout_s: float | None,
    workers: int,
    as_json: bool,
) -> bool:
    """Check, print, write; True if nothing failed.

    Raises:
        ValueError: the user's input, with option, or file, line and field.
    """
    subjects, labelled = choice.subjects(), choice.labelled
    if labelled is not None and len(subjects) > 1:
        raise ValueError("--labelled: completions of which part? Give --reward instead of a mixture")
    if spec is not None and labelled is None:
        raise ValueError("--write-spec: rates come from labelled completions; give --labelled FILE")
    if spec is not None:
        require_file(spec, field="--write-spec")
    reports = []
    for subject in subjects:
        limits = limits_of(subject.reward, subject.args)
        report = run_checks(
            subject,
            labelled=None if labelled is None else read_labelled(labelled, subject.reward, subject.args),
            allow=allow,
            workers=workers,
            timeout_s=limits[0] if timeout_s is None else timeout_s,
            memory_mib=limits[1],
        )
        reports.append(report)
        if not as_json:
            _show(report)
        if spec is not None and report.rates is not None:
            write_spec(spec, report.rates, reward=subject.reward, args=subject.args)
    passed = all(report.passed for report in reports)
    if as_json:
        shown = [to_json(report) for report in reports]
        print(json.dumps(shown[0] if len(shown) == 1 else {"passed": passed, "parts": shown}))
    return passed


def _show(report: Report) -> None:
    console, subject = Console(), report.subject
    if report.lines:
        table = Table(
            "case",
            "tried",
            "accepted",
            "",
            "what it is, and why it scored 0",
            title=f"{subject.name}: {subject.reward}",
        )
        for line in report.lines:
            about = f"right completions ({report.form})" if line.case == "gold" else CASES[line.case]
            reasons = ", ".join(f"{count} {reason}" for reason, count in line.reasons.most_common(3))
            table.add_row(
                line.case,
                str(line.tried),
                str(line.accepted),
                _mark(line),
                escape(f"{about}; {reasons}" if reasons else about),
            )
        console.print(table)
        if report.lines[0].passed is None:
            console.print(NO_GOLD, markup=False, highlight=False)
        for line in report.lines:
            if line.example and line.passed is not None:
                console.print(f"{line.case}: for example {line.example}", markup=False, highlight=False)
    if report.rates is not None:
        for name, rate in (("false positives", report.rates.fpr), ("true positives", report.rates.tpr)):
            console.print(f"{name}: {_rate(rate)}", highlight=False)


def _mark(line: Line) -> str:
    if line.passed is None:
        return "allowed" if line.accepted else "-"
    return "[green]ok[/]" if line.passed else "[red]FAILED[/]"


def _rate(rate: Rate) -> str:
    low, high = rate.interval
    return f"{rate.c} of {rate.n}, {rate.value:.4f} (95% {low:.4f} to {high:.4f})"
