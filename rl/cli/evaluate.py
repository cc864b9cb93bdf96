"""``t2rl eval``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson, Overrides
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl eval runs/quickstart[/]
the final model of a run, on its own task; of an interrupted one, the newest checkpoint

[bold]t2rl eval runs/quickstart --step 40[/]   the checkpoint of step 40

[bold]t2rl eval models/mine quickstart evaluation.samples_per_prompt=32[/]   a Hugging Face directory
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("eval", epilog=EPILOG)(evaluate)


def evaluate(
    target: str = typer.Argument(
        ..., metavar="MODEL_DIR|RUN", help="A Hugging Face model directory, or a run directory."
    ),
    overrides: Overrides = None,
    step: Annotated[
        str | None,
        typer.Option(metavar="N|best", help="A checkpoint of a run instead of what it ended with."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the counts go; default: in the run, or beside the model."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model on held-out prompts: unbiased pass@k with intervals, by category."""
    with exit_codes():
        from rl.commands.evaluate import evaluate_cli

        evaluate_cli(target, list(overrides or []), as_json=as_json, step=step, to=to)
