"""``t2rl compare``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl compare runs/quickstart runs/mine[/]   settings, results and costs, each run against the first

[bold]t2rl compare runs/a runs/b runs/c --json[/]   for a script

Differences are over the same problems, with paired intervals. At equal tokens and at equal wall-clock the
newest evaluation that each run could afford is compared.  t2rl report  draws the same.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare", epilog=EPILOG)(compare)


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN...", help="Run directories; the first is the baseline.")
    ],
    as_json: AsJson = False,
) -> None:
    """Compare runs: settings that differ, held-out results, tokens, time and cost."""
    with exit_codes():
        from rl.commands.runs.compare import print_comparison

        print_comparison(runs, as_json=as_json)
