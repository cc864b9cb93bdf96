"""The ``t2rl`` command. One command a file; nothing heavy is imported before a command needs it."""

import typer

from rl.cli import base, bases, config, curriculum, doctor, dpo, evaluate, launch, passk, plan, rewards, sandbox, serve, sft, train
from rl.cli.logs import log_to_stderr

app = typer.Typer(
    name="t2rl",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Train-to-test reinforcement learning: post-train a language model on verifiable rewards.",
    epilog=(
        "Start here:  [bold]t2rl doctor[/] checks this machine,  [bold]t2rl train quickstart[/] trains a tiny model in minutes,  "
        "[bold]t2rl config[/] lists what can be set.\n\n"
        "Exit codes: 0 done, 1 failed, 2 your input, 130 interrupted."
    ),
)


@app.callback()
def options(
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what the program does, not only what is wrong."),
) -> None:
    """Options of every command."""
    log_to_stderr(verbose=verbose)


train.register(app)
sft.register(app)
dpo.register(app)
evaluate.register(app)
passk.register(app)
config.register(app)
doctor.register(app)
base.register(app)
bases.register(app)
plan.register(app)
serve.register(app)
launch.register(app)
curriculum.register(app)
rewards.register(app)
sandbox.register(app)


def main() -> None:
    """Entry point."""
    app()
