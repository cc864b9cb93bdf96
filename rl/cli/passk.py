"""``t2rl passk``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl passk counts.jsonl[/]   rows {id, n, c}, with category if you like

[bold]t2rl passk counts.jsonl --k 1,8,64,256 --plot passk.svg[/]   beyond n: a forecast, marked as such

[bold]t2rl passk runs/quickstart/eval/version-00000120.jsonl --temperature 1[/]   an evaluation of a run

[bold]t2rl passk new.jsonl --k 256 --reference a.jsonl --reference b.jsonl --reference c.jsonl[/]
other models, same benchmark
"""
ReferenceFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--reference",
        metavar="COUNTS",
        help=(
            "Counts of another model on the SAME benchmark, n >= 256; give at least three. Counts from"
            " another benchmark are worse than none (error .128 for .063, 90% intervals cover .36): leave it"
            " out, and a packaged, broad reference is used."
        ),
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("passk", epilog=EPILOG)(passk)


def passk(
    counts: Annotated[
        Path,
        typer.Argument(metavar="COUNTS", help="JSONL rows {id, n, c, category?}, or an evaluation file."),
    ],
    k: Annotated[
        str, typer.Option(help="Whole numbers with commas between; beyond the smallest n it is a forecast.")
    ] = "",
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")] = 0.95,
    temperature: Annotated[float | None, typer.Option(help="Which rows of an evaluation file.")] = None,
    reference: ReferenceFiles = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw it, to a .png or .svg file.")] = None,
    as_json: AsJson = False,
) -> None:
    """pass@k with intervals, over all problems and by category; unbiased up to n, a forecast with a model
    interval beyond."""
    with exit_codes():
        from rl.commands.passk import passk_cli

        passk_cli(
            counts,
            k,
            confidence=confidence,
            temperature=temperature,
            reference=list(reference or []),
            plot=plot,
            as_json=as_json,
        )
