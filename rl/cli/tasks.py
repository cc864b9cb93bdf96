"""``t2rl tasks``: check where prompts come from."""

from typing import Annotated

import typer

from rl.cli.arguments import AsJson, Overrides, complete_names
from rl.cli.exits import exit_codes
from rl.config.exit_codes import FAILED

CHECK = """
A task of your own is a class or function in a file: called with (tokenizer, max_prompt_tokens=..., **args) it
gives an object with name, reward_name, reward_args, thinking_tags and load(split, limit).

Examples:

[bold]t2rl tasks check quickstart[/]   the task of a config

[bold]t2rl tasks check rows.jsonl --column prompt=question --model DIR task.reward=math[/]   rows of a file

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
    target: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A config, by name or YAML file, or data: a file, a folder, hf:NAME:SPLIT.",
            autocompletion=complete_names,
        ),
    ],
    overrides: Overrides = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE=NAME", help="Short for task.columns.ROLE=NAME; may be repeated."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="DIR|NAME", help="The policy, for its tokenizer: lengths, special tokens."),
    ] = None,
    prompts: Annotated[int, typer.Option(min=2, help="How many of each split the contract looks at.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Look at a task's data (lengths, tokens, repeats, held-out prompts in train, answers that their reward
    rejects), and run the contract that every task must keep: disjoint splits, the same prompts every time, a
    reward that takes them. No model is needed."""
    with exit_codes():
        from rl.commands.tasks.check import check_target

        passed = check_target(
            target,
            list(overrides or []),
            columns=column or [],
            model=model,
            limit=prompts,
            as_json=as_json,
        )
    if not passed:
        raise typer.Exit(FAILED)
