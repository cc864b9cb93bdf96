"""``t2rl curriculum``: simulate a preset, inspect a run, check a part."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson, Overrides
from rl.cli.exits import exit_codes
from rl.config.exit_codes import FAILED

SIMULATE = """
Examples:

[bold]t2rl curriculum simulate knapsack --pool rows.jsonl[/]   rows {id, category, pass_rate}

[bold]t2rl curriculum simulate knapsack+mixed --pool rows.jsonl --steps 200 --seed 1 stream.refill_rounds=1
--json[/]

[bold]t2rl curriculum simulate knapsack --pool rows.jsonl --learner logistic[/]
pass rates that training raises
"""
INSPECT = """
Examples:

[bold]t2rl curriculum inspect runs/quickstart[/]   while it runs, or afterwards

[bold]t2rl curriculum inspect runs/quickstart --heatmap shares.csv[/]   category x step, for a plot
"""
CHECK = """
Examples:

[bold]t2rl curriculum check examples.own_curriculum:RarestCategory[/]

[bold]t2rl curriculum check knapsack --args '{"cap": 16}'[/]   one of ours, with arguments
"""
POOL = (
    "JSONL rows {id, category?, difficulty?, pass_rate, length?, metadata?}; pass_rate, length: a number or a"
    " list over training."
)
HeatmapFile = Annotated[
    Path | None, typer.Option("--heatmap", help="Write category x step to this .csv or .json file.")
]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True, help="Simulate a curriculum, see what one chose, check one of your own."
    )
    group.command("simulate", epilog=SIMULATE)(simulate)
    group.command("inspect", epilog=INSPECT)(inspect)
    group.command("check", epilog=CHECK)(check)
    app.add_typer(group, name="curriculum")


def simulate(
    preset: str = typer.Argument(..., metavar="PRESET", help="As in curriculum=PRESET; a stack is a+b."),
    overrides: Overrides = None,
    *,
    pool: Annotated[Path, typer.Option(help=POOL)],
    steps: int = typer.Option(None, min=1, help="Optimizer steps; run.steps of the config unless told."),
    seed: int = typer.Option(None, min=0, help="run.seed unless told."),
    config: str = typer.Option(
        "quickstart", metavar="NAME|FILE", help="Whose stream and rollout sections are meant."
    ),
    learner: str = typer.Option(
        "curves", help="curves: pass rates as in the rows; logistic: they rise with effective gradient."
    ),
    rate: float = typer.Option(
        1.0, help="Of the logistic learner: log-odds that a step of perfect gradient adds."
    ),
    as_json: AsJson = False,
    heatmap: HeatmapFile = None,
) -> None:
    """Simulate what a curriculum would choose, on rollouts drawn at pass rates that you give. The figures are
    never results of a model."""
    with exit_codes():
        from rl.commands.curriculum.simulate import simulate as run

        if learner not in ("curves", "logistic"):
            raise ValueError(f"--learner {learner}: choose curves or logistic")
        run(
            preset,
            list(overrides or []),
            pool=pool,
            steps=steps,
            seed=seed,
            base=config,
            learner="logistic" if learner == "logistic" else "curves",
            rate=rate,
            as_json=as_json,
            heatmap=heatmap,
        )


def inspect(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, finished or running.")],
    as_json: AsJson = False,
    heatmap: HeatmapFile = None,
) -> None:
    """Show what a run's curriculum chose, and why: prompts, group sizes, drops, categories over the steps."""
    with exit_codes():
        from rl.commands.curriculum.inspect import inspect as show

        show(run, as_json=as_json, heatmap=heatmap)


def check(
    name: str = typer.Argument(..., metavar="NAME|file.py:Class|pkg.module:Class", help="A curriculum part."),
    args: str = typer.Option("{}", help="Its arguments, as JSON."),
    pool: Annotated[
        Path | None,
        typer.Option(help="Rows as of simulate, for a part that needs certain categories or metadata."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the contract that every part must keep: pure hooks, exact resume, budgets, shapes. Exit code 1 if
    one is broken."""
    with exit_codes():
        from rl.commands.curriculum.check import check_part

        passed = check_part(name, args, pool=pool, as_json=as_json)
    if not passed:
        raise typer.Exit(FAILED)
