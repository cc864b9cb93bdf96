"""``t2rl push``."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl push runs/mine --to card[/]   write model, card and curves to a directory, and look at them

[bold]t2rl push runs/mine me/mine --license apache-2.0[/]   upload; log in first: hf auth login

[bold]t2rl push runs/mine me/mine --step best --private[/]   the best checkpoint, for your eyes only
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("push", epilog=EPILOG)(push)


def push(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory of t2rl train, sft or dpo.")],
    repo: str | None = typer.Argument(None, metavar="[REPO]", help="owner/name on the Hugging Face Hub."),
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write it all to this new directory.")
    ] = None,
    step: str | None = typer.Option(
        None, metavar="N|best", help="A checkpoint; what the run ended with without it."
    ),
    licence: str | None = typer.Option(
        None, "--license", metavar="ID", help="Hub licence id, such as apache-2.0; the base's without it."
    ),
    private: bool = typer.Option(False, "--private", help="A repository that is created is private."),
    message: str | None = typer.Option(None, help="Commit message."),
    as_json: AsJson = False,
) -> None:
    """Write a model card (base, data, config, curves, evaluation with intervals, licence), and upload it with
    the model. --to alone uploads nothing."""
    with exit_codes():
        if repo is None and to is None:
            raise ValueError("name a repository (owner/name), or a directory with --to")
        from huggingface_hub.utils import validate_repo_id

        from rl.commands.push.push import assemble, upload

        if repo is not None:
            validate_repo_id(repo)
        with tempfile.TemporaryDirectory(prefix="t2rl-push-") as scratch:
            target = to or Path(scratch) / run.name
            made = assemble(run, to=target, step=step, licence=licence, repo=repo)
            if made.licence is None:
                typer.echo("no licence is named: give one with --license, such as apache-2.0", err=True)
            address = None
            if repo is not None:
                typer.echo(f"uploading step {made.step} to {repo}", err=True)
                said = message or f"{run.name}, step {made.step}"
                address = upload(made, repo, private=private, message=said)
        if as_json:
            typer.echo(json.dumps({"step": made.step, "directory": to and str(to), "address": address}))
        else:
            typer.echo(address or to)
