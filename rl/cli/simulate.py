"""``t2rl simulate``: a training system in simulated time, before it is paid for."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

CALIBRATE = """
Examples:

[bold]t2rl simulate calibrate runs/quickstart[/]   prints the system as YAML

[bold]t2rl simulate calibrate runs/sync runs/small runs/two_ranks --to system.yaml[/]
several runs of one model on one machine: short synchronous ones of different sizes say most
"""
PREDICT = """
Examples:

[bold]t2rl simulate predict h100-7b engines.count=40 learner.ranks=24[/]   a shipped system: assumptions

[bold]t2rl simulate predict system.yaml plan.max_staleness=2 engines.count=2 --against-sync[/]

[bold]t2rl simulate predict h100-7b plan.keep_share=0.6 plan.refill_rounds=2 --json[/]   a filter with refills

Sections: plan, lengths, engines, learner, sync, verifiers, layout, faults, checkpoint, hardware; what each
field means is in docs/scale.md. layout.kind is split, colocated, hybrid or cores.
"""
PLAN = """
Examples:

[bold]t2rl simulate plan h100-7b --gpus 64[/]

[bold]t2rl simulate plan system.yaml --gpus 256 --max-staleness 4 engines.gpus=4[/]   engines of four GPUs
"""
System = Annotated[
    str,
    typer.Argument(
        metavar="SYSTEM",
        help="A YAML file of t2rl simulate calibrate, a run directory, or a shipped system: h100-7b.",
    ),
]
Fields = Annotated[
    list[str] | None,
    typer.Argument(metavar="[OVERRIDES]...", help="section.field=value; later ones win."),
]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Simulate a training system: fit it to runs, predict its throughput, plan for N GPUs.",
    )
    group.command("calibrate", epilog=CALIBRATE)(calibrate)
    group.command("predict", epilog=PREDICT)(predict)
    group.command("plan", epilog=PLAN)(plan)
    app.add_typer(group, name="simulate")


def calibrate(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Run directories: trace.json, metrics.jsonl, rollouts."),
    ],
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the system to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fit a system to runs: seconds of engines, learner, weights and verifiers, lengths of answers; and say
    how near it comes to the runs' own steps."""
    with exit_codes():
        from rl.commands.simulate.command import calibrate_cli

        calibrate_cli(runs, to=to, as_json=as_json)


def predict(
    system: System,
    overrides: Fields = None,
    *,
    steps: Annotated[int, typer.Option(min=1, help="Training steps to simulate.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Of lengths, drops and failures.")] = 0,
    against_sync: Annotated[
        bool, typer.Option("--against-sync", help="Simulate it with plan.max_staleness=0 too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Predict throughput, idle shares, staleness and cost of a system. Every figure is simulated."""
    with exit_codes():
        from rl.commands.simulate.command import predict_cli

        predict_cli(
            system, overrides or [], steps=steps, seed=seed, against_sync=against_sync, as_json=as_json
        )


def plan(
    system: System,
    overrides: Fields = None,
    *,
    gpus: Annotated[int, typer.Option(min=1, help="Devices to share out.")],
    max_staleness: Annotated[int, typer.Option(min=0, max=16, help="The most that may be asked for.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of each trial.")] = 16,
    as_json: AsJson = False,
) -> None:
    """Recommend the split, the staleness, the batch and the redundancy for so many GPUs: the least staleness
    and the smallest batch that come within 3% of the best speed."""
    with exit_codes():
        from rl.commands.simulate.command import plan_cli

        plan_cli(
            system, overrides or [], gpus=gpus, max_staleness=max_staleness, steps=steps, as_json=as_json
        )
