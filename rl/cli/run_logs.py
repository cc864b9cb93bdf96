"""``t2rl logs``."""

from typing import Annotated

import typer

from rl.cli.arguments import Address, AsJson, RunOrJob
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl logs runs/quickstart[/]   which logs there are

[bold]t2rl logs runs/quickstart controller --follow[/]   phases, warnings and errors, as they come

[bold]t2rl logs runs/quickstart engine-0 --tail 50[/]   the last lines of one engine;  engine  is all of them

[bold]t2rl logs raysubmit_abc --address http://head:8265 --follow[/]   what a job on a cluster prints
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("logs", epilog=EPILOG)(logs)


def logs(
    run: RunOrJob,
    actor: Annotated[
        str | None,
        typer.Argument(metavar="[ACTOR]", help="controller, engine-0, learner-0, ...; none: list them."),
    ] = None,
    tail: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Only the last N lines of each file.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """List the logs of a run's processes, or show those of one."""
    with exit_codes():
        from rl.commands.runs.logs import print_logs, show_logs

        if address is not None:
            _of_job(address, str(run), actor, tail=tail, follow=follow, as_json=as_json)
            return
        if actor is None and follow:
            actor = "controller"
        if actor is None:
            print_logs(run, as_json=as_json)
        elif as_json:
            raise ValueError("--json: lists the logs; a log itself is text")
        else:
            show_logs(run, actor, tail=tail, follow=follow, say=typer.echo)


def _of_job(
    address: str, job: str, actor: str | None, *, tail: int | None, follow: bool, as_json: bool
) -> None:
    from rl.commands.runs.jobs import show_job_log

    if actor is not None or as_json:
        raise ValueError("--address: a job has one log, of its driver; leave out ACTOR and --json")
    show_job_log(address, job, tail=tail, follow=follow, say=typer.echo)
