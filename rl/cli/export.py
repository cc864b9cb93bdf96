"""``t2rl export``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl export runs/quickstart[/]   the newest checkpoint, also of a run that was interrupted

[bold]t2rl export runs/quickstart --step 40 --to models/mine[/]   the checkpoint of step 40

[bold]t2rl export runs/quickstart --step best[/]
the best by held-out pass@1 (checkpoint.keep_best=true keeps it)
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export", epilog=EPILOG)(export)


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory of t2rl train, sft or dpo.")],
    step: Annotated[
        str | None, typer.Option(metavar="N|best", help="Which checkpoint; the newest without it.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new directory; default RUN/export/step-N.")
    ] = None,
) -> None:
    """Write a checkpoint as a Hugging Face directory: weights with adapters merged in and beside them,
    config, tokenizer."""
    with exit_codes():
        from rl.commands.export import export_checkpoint

        number, directory = export_checkpoint(run, step=step, to=to)
        typer.echo(f"{directory}: the model of step {number} of {run}; next: t2rl eval {directory}")
