"""``t2rl advise``: ask today's rules about a run's rows."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl advise runs/quickstart[/]   what the rules say of each step, in order

[bold]t2rl advise runs/quickstart --json[/]   the same as JSON

What the run itself said is in RUN/advisories.jsonl. docs/advice.md explains every rule.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("advise", epilog=EPILOG)(advise)


def advise(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    as_json: AsJson = False,
) -> None:
    """Say what today's advisories make of a run's rows, finished or not."""
    with exit_codes():
        from rl.commands.advisories.replay import print_advice

        print_advice(run, as_json=as_json)
