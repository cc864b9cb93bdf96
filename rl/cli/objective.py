"""``t2rl objective``: check a part of the loss or of the learner that you wrote."""

from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes
from rl.config.exit_codes import FAILED

CHECK = """
Each kind is a function, or for a likelihood an object, with what it is given and what it gives:

advantage    (samples, tokens, config) -> Estimate, or @every_token over (samples, config) -> \\[S]

mask         (ratio \\[T], advantages \\[T], config) -> bounded ratio \\[T]

likelihood   a rl.objective.likelihood.Likelihood

shaping      (rewards \\[S], samples, **args) -> rewards \\[S]

schedule     (moment, config) -> 1 at the peak rate, 0 at the floor

optimizer    (model, config) -> torch.optim.Optimizer

Examples:

[bold]t2rl objective check examples/own_objective.py:median --kind advantage[/]   a file of your own

[bold]t2rl objective check my_package.parts:steps --kind schedule --allow "ends on min_lr_ratio"[/]

[bold]t2rl objective check passk --args '{"k": 4}'[/]   one of ours, with a setting that it reads

Exit codes: 0 the contract is kept, 1 a check failed, 2 there is no such part.
"""


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Check an advantage, mask, likelihood, shaping, schedule or optimizer of your own.",
    )
    group.callback()(lambda: None)
    group.command("check", epilog=CHECK)(check)
    app.add_typer(group, name="objective")


def check(
    name: Annotated[str, typer.Argument(metavar="NAME|file.py:attr|pkg.module:attr", help="The part.")],
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="advantage, mask, likelihood, shaping, schedule or optimizer; known for parts that ship.",
        ),
    ] = None,
    args: Annotated[
        str,
        typer.Option(
            help="As JSON: a shaping's arguments, or the settings of algorithm or learner that a part reads."
        ),
    ] = "{}",
    allow: Annotated[
        list[str] | None, typer.Option(help="A check that may fail; repeat it for several.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the contract that every part of its kind must keep, on small updates that are written out. No
    model, no engine, seconds."""
    with exit_codes():
        from rl.commands.objective.check import check_part

        passed = check_part(name, kind, args, allow=allow or [], as_json=as_json)
    if not passed:
        raise typer.Exit(FAILED)
