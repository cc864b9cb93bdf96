"""``t2rl runs``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl runs[/]   the runs in ./runs, the newest start first

[bold]t2rl runs /shared/runs --json[/]   for a script

pass@1 is held-out, of the base and of the newest version, with the temperature it was sampled at.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("runs", epilog=EPILOG)(runs)


def runs(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="A run.dir.")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List runs: state, step, held-out pass@1, time left, age, size on disk."""
    with exit_codes():
        from rl.commands.runs.listing import print_runs

        print_runs(directory, as_json=as_json)
