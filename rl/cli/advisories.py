"""``t2rl advisories``: check a rule that speaks when a run goes wrong."""

from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes
from rl.config.exit_codes import FAILED

CHECK = """
A rule is a function (early, latest) of metric rows (docs/metrics.md): the first 5 of the run, and the
latest 3. It gives a text that says what is wrong and what to do, or None.

Examples:

[bold]t2rl advisories check examples/own_advisory.py:idle_learner[/]   your own

[bold]t2rl train quickstart 'run.advisories=\\[examples/own_advisory.py:idle_learner]'[/]   used in a run

Exit codes: 0 the contract is kept, 1 a check failed, 2 there is no such rule.
"""


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Check an advisory of your own.")
    group.callback()(lambda: None)
    group.command("check", epilog=CHECK)(check)
    app.add_typer(group, name="advisories")


def check(
    name: Annotated[str, typer.Argument(metavar="NAME|file.py:attr|pkg.module:attr", help="The rule.")],
    as_json: AsJson = False,
) -> None:
    """Run the contract that every advisory must keep: quiet in health and on short runs, and able to
    speak."""
    with exit_codes():
        from rl.commands.advisories.check import check_rule

        passed = check_rule(name, as_json=as_json)
    if not passed:
        raise typer.Exit(FAILED)
