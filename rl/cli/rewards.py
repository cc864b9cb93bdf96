"""``t2rl rewards``: what there is, verdicts on a file, and whether a reward can be trusted."""

import os
from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson, Overrides
from rl.cli.exits import exit_codes
from rl.config.exit_codes import FAILED

SCORE = """
A row is a JSON object with a completion and, where there are any, answer, prompt, id, truncated; all other
fields are facts
for the reward. Each row gets a verdict {value, correct, components, reason}, in the same order. --out
appears when complete.

Examples:

[bold]t2rl rewards score math rows.jsonl --out verdicts.jsonl[/]   rows {completion, answer}

[bold]t2rl rewards score ifeval rows.jsonl --args '{"mode": "loose"}' --json[/]
rows {completion, instruction_id_list, kwargs}

[bold]t2rl rewards score code rows.jsonl --workers 8[/]   {completion, language, tests: \\[{stdin, stdout}]}

[bold]t2rl rewards score my_package.rewards:Mine rows.jsonl --timeout 30[/]
a reward of your own; its folder on PYTHONPATH
"""

CHECK = """
Right completions are made from each prompt's reference answer or solution, in the form that the reward
takes, or are its column
gold_completion. Labelled completions are rows as for t2rl rewards score with label, true or false.

Examples:

[bold]t2rl rewards check quickstart[/]   the task of a config, 32 prompts of its dev split

[bold]t2rl rewards check gsm8k task.path=mine.jsonl task.reward=my_package.rewards:Mine[/]
your rows, your reward

[bold]t2rl rewards check --reward ifeval --rows prompts.jsonl[/]
rows {instruction_id_list, kwargs, gold_completion}

[bold]t2rl rewards check gsm8k task.path=mine.jsonl --allow "prompt echoed"[/]
prompts that may hold their answer

[bold]t2rl rewards check --reward math --labelled judged.jsonl --write-spec spec.json[/]
for t2rl plan queries --verifier-file
"""


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="List rewards, score completions with one, check one.")
    group.command("list")(list_)
    group.command("score", epilog=SCORE)(score)
    group.command("check", epilog=CHECK)(check)
    app.add_typer(group, name="rewards")


OtherReward = Annotated[
    str | None,
    typer.Option(
        metavar="REWARD", help="Instead of a task: a reward's name, file.py:attr or pkg.module:attr."
    ),
]
PromptRows = Annotated[
    Path | None,
    typer.Option(
        metavar="ROWS", help="With --reward: prompts, rows {answer | tests | ..., prompt, gold_completion}."
    ),
]
Labelled = Annotated[
    Path | None, typer.Option(help="Completions with a label, true or false: how often the reward errs.")
]


def list_(as_json: AsJson = False) -> None:
    """Every reward by name, with a line on each."""
    with exit_codes():
        from rl.commands.rewards.names import list_rewards

        list_rewards(as_json=as_json)


def score(
    reward: Annotated[
        str,
        typer.Argument(
            metavar="REWARD", help="A name of t2rl rewards list, file.py:attr or pkg.module:attr."
        ),
    ],
    rows: Annotated[Path, typer.Argument(metavar="ROWS", help="JSON Lines file of completions.")],
    out: Annotated[
        Path | None, typer.Option(help="Verdict file; without it, or with -, verdicts are printed.")
    ] = None,
    args: str = typer.Option("{}", help="The reward's arguments, as JSON."),
    timeout: float = typer.Option(None, help="Seconds for one completion; 5, and 120 for code, unless told."),
    workers: int = typer.Option(None, min=1, help="Verifier processes; one a CPU core unless told."),
    memory_mib: int = typer.Option(
        None, min=0, help="Address space of each, 0 = unbounded; 4096, and 0 for code, unless told."
    ),
    as_json: AsJson = False,
) -> None:
    """Judge every completion of a file, in killable processes. One that hangs or crashes costs its own
    row."""
    with exit_codes():
        from rl.commands.rewards.score import score_file

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


def check(
    task: Annotated[
        str | None,
        typer.Argument(
            metavar="[TASK]", help="A config whose task is checked: a shipped one or a YAML file."
        ),
    ] = None,
    overrides: Overrides = None,
    reward: OtherReward = None,
    rows: PromptRows = None,
    args: Annotated[str, typer.Option(help="With --reward: its arguments, as JSON.")] = "{}",
    split: Annotated[str, typer.Option(help="Of the task: train, dev or test.")] = "dev",
    prompts: Annotated[int, typer.Option(min=2, help="How many are tried.")] = 32,
    labelled: Labelled = None,
    write_spec: Annotated[
        Path | None, typer.Option(help="Where the error rates go, for the planner.")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="A case that may be accepted; repeat it for several.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds for one completion; what suits the reward unless told.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Verifier processes; one a CPU core unless told.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Whether right completions score 1, and empty, cut, hedged, copied, injected and huge ones 0. Exit code
    1 if not."""
    with exit_codes():
        from rl.commands.rewards.check_command import Choice, check_command

        choice = Choice(
            task=task,
            overrides=overrides or (),
            split=split,
            reward=reward,
            args=args,
            rows=rows,
            labelled=labelled,
            limit=prompts,
        )
        passed = check_command(
            choice,
            spec=write_spec,
            allow=allow or [],
            timeout_s=timeout,
            workers=workers or len(os.sched_getaffinity(0)),
            as_json=as_json,
        )
        if not passed:
            raise typer.Exit(FAILED)
