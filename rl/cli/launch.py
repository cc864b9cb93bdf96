"""``t2rl launch``."""

import typer

from rl.cli.arguments import Name, Overrides
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl launch gsm8k model.path=/shared/model task.path=/shared/rows.jsonl run.dir=/shared/runs
--dry-run[/]
what would be sent

[bold]t2rl launch mine.yaml run.dir=/shared/runs --address http://head:8265[/]
submit to a cluster's dashboard, and follow the log
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("launch", epilog=EPILOG)(launch)


def launch(
    name: Name,
    overrides: Overrides = None,
    address: str = typer.Option(
        "http://127.0.0.1:8265", help="Dashboard of the Ray head.", envvar="RAY_API_SERVER_ADDRESS"
    ),
    working_dir: str = typer.Option(".", help="Uploaded to the cluster; its size is limited to 500 MiB."),
    python: str = typer.Option(
        "python", help="Python on the cluster that has t2rl; a path if it is not on the head's PATH."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print the submission and stop."),
) -> None:
    """Run a config as a Ray job on a cluster that is up, and follow its log. The exit code is the job's."""
    with exit_codes():
        from rl.cluster.launch import Submission, submit

        job = Submission.plan(
            name, list(overrides or []), address=address, working_dir=working_dir, python=python
        )
        if dry_run:
            typer.echo(job.as_json())
            return
        code = submit(job, echo=lambda text: typer.echo(text, nl=False))
    raise typer.Exit(code)
