"""``t2rl dpo``."""

import typer

from rl.cli.arguments import Name, Overrides
from rl.cli.exits import exit_codes
from rl.records.phases import Phases

EPILOG = """
Examples:

[bold]t2rl dpo dpo_quickstart model=path model.path=runs/sft/model[/]
right against wrong completions of the model itself

[bold]t2rl dpo dpo_quickstart pairs.path=rows.jsonl[/]   rows {prompt, chosen, rejected}

[bold]t2rl dpo dpo_quickstart pairs.prompts=1000 beta=0.3[/]   more pairs, closer to the model it starts from

[bold]t2rl dpo dpo_quickstart resume=auto[/]
go on after Ctrl-C or a crash, with the pairs that it began with

What comes next: [bold]t2rl train quickstart model=path model.path=runs/dpo/model[/]
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dpo", epilog=EPILOG)(dpo)


def dpo(name: Name, overrides: Overrides = None) -> None:
    """Preference optimisation before RLVR: pairs of a file, or sampled from the model and judged by the
    task's reward."""
    with exit_codes():
        from rl.config.load import load_as
        from rl.config.stages import DpoConfig

        phases = Phases()
        config = load_as(DpoConfig, name, overrides)
        phases("loading the program")
        from rl.stages.run import run_dpo

        run = run_dpo(config, phases)
    typer.echo(
        f"{run}: the model is in {run}/model; next: t2rl train quickstart model=path model.path={run}/model"
    )
