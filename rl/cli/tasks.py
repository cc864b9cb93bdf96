"""``t2rl tasks``: check where prompts come from."""

from typing import Annotated

import typer

from rl.cli.arguments import AsJson, Name, Overrides
from rl.cli.exits import exit_codes
from rl.config.exit_codes import FAILED

CHECK = """
A task of your own is a class or function in a file: called with (tokenizer, max_prompt_tokens=..., **args) it
gives an object with name, reward_name, reward_args, thinking_tags and load(split, limit).

Examples:

[bold]t2rl tasks check quickstart[/]   the task of a config

[bold]t2rl tasks check quickstart '~task' 'task={kind: own, code: examples/own_task.py:Doubling}'[/]
your own

Exit codes: 0 the contract is kept, 1 a check failed, 2 the config or its task is wrong.
"""


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Check a task: splits, prompts, order, reward.")
    group.callback()(lambda: None)
    group.command("check", epilog=CHECK)(check)
    app.add_typer(group, name="tasks")


def check(
    config: Name,
    overrides: Overrides = None,
    prompts: Annotated[int, typer.Option(min=2, help="How many of each split are looked at.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Run the contract that every task must keep: disjoint splits, the same prompts every time, a reward that
    takes them. No model is needed."""
    with exit_codes():
        from rl.commands.tasks.check import check_config

        passed = check_config(config, list(overrides or []), limit=prompts, as_json=as_json)
    if not passed:
        raise typer.Exit(FAILED)
