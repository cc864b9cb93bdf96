"""``t2rl plan post``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson, complete_runs
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl plan post runs/quickstart --until 240[/]   what 240 steps would reach, and whether to go on

[bold]t2rl plan post runs/quickstart --k 4 --unit tokens --until 2e6 --least 0.02[/]
"""


def register(group: typer.Typer) -> None:
    """Add the command to ``t2rl plan``."""
    group.command("post", epilog=EPILOG)(post)


def post(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run directory.", autocompletion=complete_runs)
    ],
    k: Annotated[int, typer.Option(min=1, help="pass@k; below the samples of a prompt.")] = 1,
    until: Annotated[
        float | None, typer.Option(min=0, help="Horizon, in --unit. Default: twice what is spent.")
    ] = None,
    unit: Annotated[str, typer.Option(help="steps, or tokens (of rollouts).")] = "steps",
    least: Annotated[float, typer.Option(min=0, help="Gain that would be worth going on.")] = 0.01,
    temperature: Annotated[
        float | None, typer.Option(help="Of the evaluation. Default: evaluation.temperature.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Where a run's held-out pass@k is heading: a law with a plateau fitted to its evaluations, the forecast,
    and whether to stop."""
    with exit_codes():
        from rl.commands.plan_post import plan_post_cli

        plan_post_cli(run, k=k, until=until, unit=unit, least=least, temperature=temperature, as_json=as_json)
