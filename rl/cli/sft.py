"""``t2rl sft``."""

import typer

from rl.cli.arguments import Name, Overrides
from rl.cli.exits import exit_codes
from rl.records.phases import Phases

EPILOG = """
Examples:

[bold]t2rl sft sft_quickstart[/]   the tiny base learns from clean worked solutions

[bold]t2rl sft sft_quickstart data.path=rows.jsonl[/]   rows {prompt, completion}, or {messages}

[bold]t2rl sft sft_quickstart model=path model.path=DIR "trainer.lora={r: 16}" trainer.lr=2e-4[/]
a model of yours, adapters

[bold]t2rl sft sft_quickstart resume=auto[/]   go on after Ctrl-C or a crash

What comes next: [bold]t2rl dpo dpo_quickstart model=path model.path=runs/sft/model[/], or [bold]t2rl
train[/] likewise.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sft", epilog=EPILOG)(sft)


def sft(name: Name, overrides: Overrides = None) -> None:
    """Supervised fine-tuning before RLVR (the cold start): RUN/model is a Hugging Face directory for the next
    stage."""
    with exit_codes():
        from rl.config.load import load_as
        from rl.config.stages import SftConfig

        phases = Phases()
        config = load_as(SftConfig, name, overrides)
        phases("loading the program")
        from rl.stages.run import run_sft

        run = run_sft(config, phases)
    typer.echo(
        f"{run}: the model is in {run}/model; next: t2rl train quickstart model=path model.path={run}/model"
    )
