"""``t2rl trackers``: check a tracker, one that ships or one of your own."""

from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes
from rl.config.exit_codes import FAILED

CHECK = """
A tracker is opened for a run (rl.records.trackers.base.TrackedRun) and has log(step, metrics) and finish(),
and samples(step, rows) if it shows rollouts (docs/trackers.md).

Examples:

[bold]t2rl trackers check examples/own_tracker.py:CsvTracker[/]   your own

[bold]t2rl trackers check tensorboard[/]   one that ships, with its library as it is installed here

[bold]t2rl train quickstart tracker=wandb+examples/own_tracker.py:CsvTracker[/]   used in a run

Exit codes: 0 the contract is kept, 1 a check failed, 2 there is no such tracker.
"""


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Check a tracker.")
    group.callback()(lambda: None)
    group.command("check", epilog=CHECK)(check)
    app.add_typer(group, name="trackers")


def check(
    name: Annotated[str, typer.Argument(metavar="NAME|file.py:attr|pkg.module:attr", help="The tracker.")],
    args: Annotated[str, typer.Option(help="Settings as a JSON object: tracker.NAME or tracker.own.")] = "{}",
    as_json: AsJson = False,
) -> None:
    """Run the contract that every tracker must keep: steps, resumes, samples, and an end."""
    with exit_codes():
        from rl.commands.trackers.check import check as check_named

        passed = check_named(name, settings=args, as_json=as_json)
    if not passed:
        raise typer.Exit(FAILED)
