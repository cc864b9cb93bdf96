"""``t2rl train``."""

from typing import Annotated

import typer

from rl.cli.arguments import AsJson, Name, Overrides
from rl.cli.exits import exit_codes
from rl.records.phases import Phases
from rollout.collector import collector_off

EPILOG = """
Examples:

[bold]t2rl train quickstart[/]   a tiny base, two CPU cores, minutes

[bold]t2rl train quickstart learner.lr=1e-3 stream.max_staleness=0[/]   another learning rate, synchronous

[bold]t2rl train quickstart curriculum=knapsack+mixed[/]   rollouts where they teach most

[bold]t2rl train quickstart resume=auto[/]   go on after Ctrl-C or a crash

[bold]t2rl train quickstart cluster=gpu1 --dry-run[/]   placement, memory, disk, prompts; nothing starts

[bold]t2rl train mine.yaml[/]   your file; begin it with  defaults: \\[quickstart, _self_]
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train", epilog=EPILOG)(train)


def train(
    name: Name,
    overrides: Overrides = None,
    dry: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check and plan everything but weights and actors, print the plan, and stop."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Post-train a model: build or load the base, evaluate it, train, evaluate again."""
    with exit_codes():
        phases = Phases()
        with collector_off():
            from rl.config.load import load_config

            config = load_config(name, overrides)
        if dry:
            from rl.run.dry_run import dry_run

            dry_run(config, phases, as_json=as_json)
            return
        from rl.run.start import choose_start

        start = choose_start(config)
        phases(start.described(config.run.name))
        phases("preparing the base and the prompts")
        from rl.run.early_start import EarlyStart
        from rl.run.signals import terminated_as_interrupted

        with terminated_as_interrupted(), EarlyStart(config) as early:
            # Its imports take seconds, and Ray is on its way meanwhile.
            with collector_off():
                from rl.run.train import train as run

            run(config, start, phases, early=early, as_json=as_json)
