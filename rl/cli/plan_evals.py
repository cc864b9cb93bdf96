"""``t2rl plan evals``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl plan evals models/eval-a models/eval-b[/]   what  t2rl eval --suite  wrote of two models

[bold]t2rl plan evals models/eval-a --suite gsm8k --device h100_sxm --to plans[/]   one suite, another device
"""


def register(group: typer.Typer) -> None:
    """Add the command to ``t2rl plan``."""
    group.command("evals", epilog=EPILOG)(evals)


def evals(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="What t2rl eval --suite wrote, one for each model.")
    ],
    suite: Annotated[str, typer.Option(metavar="NAME,...", help="Default: every suite that all have.")] = "",
    device: Annotated[
        str, typer.Option(help="Of planner/cost/devices.yaml, or 'here' to measure this machine.")
    ] = "here",
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write tradeoff-SUITE.csv and .md there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Cost of a query against the share of problems solved, for every model, temperature and number of
    samples that was evaluated."""
    with exit_codes():
        from rl.cli.plan_bases import named_device
        from rl.commands.suites.tradeoff import plan_evals_cli

        names = [name.strip() for name in suite.split(",") if name.strip()]
        plan_evals_cli(directories, suites=names, device=named_device(device), to=to, as_json=as_json)
