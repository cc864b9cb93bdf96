"""``t2rl stop``."""

from typing import Annotated

import typer

from rl.cli.arguments import Address, RunOrJob
from rl.cli.exits import exit_codes
from rl.config.exit_codes import FAILED

EPILOG = """
Examples:

[bold]t2rl stop runs/quickstart[/]   it finishes its step, writes a checkpoint and leaves

[bold]t2rl stop runs/quickstart --now[/]   it leaves at once; what was trained since the last checkpoint is
lost

[bold]t2rl stop raysubmit_abc --address http://head:8265[/]   the job of a run on a cluster, likewise

Exit codes: 0 it has left, or was not running; 1 it is still there; 2 there is no such run, or it is on
another host.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("stop", epilog=EPILOG)(stop)


def stop(
    run: RunOrJob,
    address: Address = None,
    now: Annotated[bool, typer.Option("--now", help="Leave at once, without another checkpoint.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Longest wait for it to leave.")
    ] = 600.0,
) -> None:
    """Have a run write a checkpoint and leave, from any terminal of its host. Says how it goes on."""
    with exit_codes():
        from rl.commands.runs.stop import stop_run

        if address is None:
            left = stop_run(run, now=now, timeout_s=timeout, say=typer.echo)
        else:
            from rl.cluster.jobs import stop_job

            if now:
                raise ValueError("--now: not for a job; it has --timeout seconds for its checkpoint")
            left = stop_job(address, str(run), timeout_s=timeout, say=typer.echo)
    if not left:
        raise typer.Exit(FAILED)
