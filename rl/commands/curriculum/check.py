"""``t2rl curriculum check``: the contract of a part, from the command line."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from curricula import build_part
from curricula.contract import Finding, run_contract
from curricula.simulation.rows import read_rows


def check_part(name: str, args: str, *, pool: Path | None, as_json: bool) -> bool:
    """Print what the checks found; True if all passed.

    Raises:
        ValueError: there is no such part, it does not take these arguments, or the pool is wrong.
    """
    arguments = _arguments(args)
    build_part("SLOT", name, arguments)
    findings = run_contract(
        lambda: build_part("SLOT", name, arguments), pool=None if pool is None else read_rows(pool)
    )
    if as_json:
        print(
            json.dumps(
                {"part": name, "args": arguments, "findings": [asdict(finding) for finding in findings]}
            )
        )
    else:
        _show(name, findings)
    return all(finding.passed for finding in findings)


def _arguments(text: str) -> dict[str, Any]:
    try:
        arguments = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"--args {text!r} is not JSON ({error.msg}); write for example --args '{{\"cap\": 16}}'"
        ) from error
    if not isinstance(arguments, dict):
        raise ValueError(f"--args {text!r} must be an object of arguments by name")
    return arguments


def _show(name: str, findings: list[Finding]) -> None:
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        table.add_row(
            "[green]ok[/]" if finding.passed else "[red]FAIL[/]", finding.check, escape(finding.problem)
        )
    console = Console()
    console.print(f"contract of [bold]{escape(name)}[/]", highlight=False)
    console.print(table)
