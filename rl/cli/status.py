"""``t2rl status``."""

import typer

from rl.cli.arguments import Address, AsJson, RunOrJob
from rl.cli.exits import exit_codes
from rl.config.exit_codes import FAILED

EPILOG = """
Examples:

[bold]t2rl status runs/quickstart[/]   state, step, what each loop waits for, actors, last error

[bold]watch -n 1 t2rl status runs/quickstart[/]   again every second

[bold]t2rl status runs/quickstart --json[/]   for a script

[bold]t2rl status raysubmit_abc --address http://head:8265[/]   the job of a run on a cluster

Exit codes: 0 it is at work or ended as it should, 1 it failed, died or hangs, 2 there is no such run.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", epilog=EPILOG)(status)


def status(run: RunOrJob, address: Address = None, as_json: AsJson = False) -> None:
    """Say what a run is at: its state, what each of its loops waits for and for how long, its actors and its
    last error."""
    with exit_codes():
        from rl.commands.runs.status import print_status

        if address is None:
            well = print_status(run, as_json=as_json)
        else:
            from rl.commands.runs.jobs import print_job

            well = print_job(address, str(run), as_json=as_json)
    if not well:
        raise typer.Exit(FAILED)
