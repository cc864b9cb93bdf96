"""``t2rl rewards``: what there is, and verdicts on a file."""

import os
from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

SCORE = """
A row is a JSON object with a completion and, where there are any, answer, prompt, id, truncated; all other fields are facts
for the reward. Each row gets a verdict {value, correct, components, reason}, in the same order. --out appears when complete.

Examples:

[bold]t2rl rewards score math rows.jsonl --out verdicts.jsonl[/]   rows {completion, answer}

[bold]t2rl rewards score ifeval rows.jsonl --args '{"mode": "loose"}' --json[/]   rows {completion, instruction_id_list, kwargs}

[bold]t2rl rewards score code rows.jsonl --workers 8[/]   {completion, language, tests: \\[{stdin, stdout}]}

[bold]t2rl rewards score my_package.rewards:Mine rows.jsonl --timeout 30[/]   a reward of your own; its folder on PYTHONPATH
"""


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="List rewards, and score completions with one.")
    group.command("list")(list_)
    group.command("score", epilog=SCORE)(score)
    app.add_typer(group, name="rewards")


def list_(as_json: AsJson = False) -> None:
    """Every reward by name, with a line on each."""
    with exit_codes():
        from rl.reward_commands.names import list_rewards

        list_rewards(as_json=as_json)


def score(
    reward: Annotated[str, typer.Argument(metavar="REWARD", help="A name of t2rl rewards list, or pkg.module:attr.")],
    rows: Annotated[Path, typer.Argument(metavar="ROWS", help="JSON Lines file of completions.")],
    out: Annotated[Path | None, typer.Option(help="Verdict file; without it, or with -, verdicts are printed.")] = None,
    args: str = typer.Option("{}", help="The reward's arguments, as JSON."),
    timeout: float = typer.Option(None, help="Seconds for one completion; 5, and 120 for code, unless told."),
    workers: int = typer.Option(None, min=1, help="Verifier processes; one a CPU core unless told."),
    memory_mib: int = typer.Option(None, min=0, help="Address space of each, 0 = unbounded; 4096, and 0 for code, unless told."),
    as_json: AsJson = False,
) -> None:
    """Judge every completion of a file, in killable processes. One that hangs or crashes costs its own row."""
    with exit_codes():
        from rl.reward_commands.score import score_file

        score_file(
            reward,
            rows,
            out=None if out == Path("-") else out,
            args=args,
            timeout_s=timeout,
            workers=workers or len(os.sched_getaffinity(0)),
            memory_mib=memory_mib,
            as_json=as_json,
        )
