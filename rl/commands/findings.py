"""Findings of a contract's checks as lines or as JSON, and the arguments that a user gives."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rollout.contract import Finding


def report(findings: Sequence[Finding], *, title: str, facts: Mapping[str, Any], as_json: bool) -> bool:
    """Print every finding; True if nothing failed.

    Args:
        findings: in the order to show.
        title: what was checked, above the lines.
        facts: the same for JSON, beside the findings.
        as_json: one object instead of lines.
    """
    if as_json:
        print(json.dumps({**facts, "findings": [asdict(finding) for finding in findings]}))
    else:
        table = Table.grid(padding=(0, 2))
        for finding in findings:
            table.add_row(_mark(finding), finding.check, escape(finding.problem))
        console = Console()
        console.print(f"contract of [bold]{escape(title)}[/]", highlight=False)
        console.print(table)
    return all(finding.good for finding in findings)


def _mark(finding: Finding) -> str:
    if finding.passed:
        return "[green]ok[/]"
    return "[yellow]allowed[/]" if finding.allowed else "[red]FAIL[/]"


def read_arguments(text: str) -> dict[str, Any]:
    """Arguments by name from ``--args``.

    Raises:
        ValueError: the text is no JSON object.
    """
    try:
        arguments = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"--args {text!r} is not JSON ({error.msg}); write for example --args '{{\"cap\": 16}}'"
        ) from error
    if not isinstance(arguments, dict):
        raise ValueError(f"--args {text!r} must be an object of arguments by name")
    return arguments
