"""``t2rl doctor``."""

import json
from typing import TYPE_CHECKING

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes
from rl.config.exit_codes import FAILED

if TYPE_CHECKING:
    from rl.commands.doctor.check import Check

MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[red]FAIL[/]"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", epilog="Exit code 1 if a check fails; a warning is no failure.")(doctor)


def doctor(
    as_json: AsJson = False,
    quick: bool = typer.Option(
        False, "--quick", help="Leave out the checks that start Ray, vLLM and DeepSpeed."
    ),
) -> None:
    """Check this machine and environment, and say what to do about what is wrong."""
    with exit_codes():
        from rl.commands.doctor import run_checks

        checks = run_checks(quick=quick)
        if as_json:
            typer.echo(json.dumps([check.as_dict() for check in checks], indent=2))
        else:
            _print(checks)
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(FAILED)


def _print(checks: "list[Check]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for check in checks:
        table.add_row(MARKS[check.status], check.name, check.found)
        if check.remedy:
            table.add_row("", "", f"[dim]-> {check.remedy}[/]")
    Console().print(table)
