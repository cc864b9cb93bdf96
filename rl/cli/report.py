"""``t2rl report``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl report runs/quickstart[/]   to runs/quickstart/report.html; open it in a browser

[bold]t2rl report runs/mine --baseline runs/quickstart[/]   at equal tokens and at equal wall-clock

[bold]t2rl report runs/a runs/b runs/c --to three.html[/]   laid over each other, with settings that differ
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report", epilog=EPILOG)(report)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories, finished or not.")],
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write; default: report.html in the first RUN."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run to compare with; else the last one named.")
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            min=0, help="Rollouts in the sample browser, at most; fewer where the page would grow too large."
        ),
    ] = 2000,
    as_json: AsJson = False,
) -> None:
    """Write one HTML file about runs: results, curves, curriculum, timing, advice and samples. It needs no
    network."""
    with exit_codes():
        from rl.report.command import report_cli

        report_cli(runs, to=to, baseline=baseline, samples=samples, as_json=as_json)
