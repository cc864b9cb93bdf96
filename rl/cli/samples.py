"""``t2rl samples``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl samples runs/mine[/]   the first rollouts of the run

[bold]t2rl samples runs/mine --worst 5 --step 100:[/]   the worst of the last steps

[bold]t2rl samples runs/mine --wrong --reason truncated --category gcd[/]   what went wrong, and why

[bold]t2rl samples runs/mine --eval --prompt test/gcd/L1/0[/]   one held-out prompt over the versions

[bold]t2rl samples runs/mine --pairs pairs.jsonl[/]   right against wrong, for t2rl dpo pairs.path=pairs.jsonl

[bold]t2rl samples runs/mine --step 50: --sft rows.jsonl[/]   accepted ones, for t2rl sft data.path=rows.jsonl

A range is 10:20 with both ends, 10: or :20; a comparison is quoted: '>=0.5'.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("samples", epilog=EPILOG)(samples)


def samples(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    step: Annotated[str | None, typer.Option(metavar="RANGE", help="Steps; versions with --eval.")] = None,
    category: Annotated[str | None, typer.Option(help="Of this category.")] = None,
    reward: Annotated[str | None, typer.Option(metavar="RANGE", help="Reward value.")] = None,
    length: Annotated[str | None, typer.Option(metavar="RANGE", help="Tokens of the completion.")] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A part of the verdict's reason; '' for none.")
    ] = None,
    correct: Annotated[bool | None, typer.Option("--correct/--wrong", help="By its verdict.")] = None,
    kept: Annotated[bool | None, typer.Option("--kept/--dropped", help="By the curriculum's filter.")] = None,
    prompt: Annotated[
        str | None, typer.Option(metavar="ID", help="One prompt, its versions side by side.")
    ] = None,
    grep: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A part of prompt or completion, in either case.")
    ] = None,
    evaluation: Annotated[bool, typer.Option("--eval", help="Completions of the evaluations.")] = False,
    best: Annotated[int | None, typer.Option(min=1, metavar="N", help="The N of highest reward.")] = None,
    worst: Annotated[int | None, typer.Option(min=1, metavar="N", help="The N of lowest reward.")] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Rollouts that are shown.")] = 10,
    pairs: Annotated[Path | None, typer.Option(metavar="FILE", help="Write pairs for t2rl dpo.")] = None,
    sft: Annotated[Path | None, typer.Option(metavar="FILE", help="Write rows for t2rl sft.")] = None,
    most: Annotated[
        int,
        typer.Option(
            "--per-prompt", min=1, metavar="N", help="Rows of one prompt at most, in --pairs and --sft."
        ),
    ] = 4,
    as_json: AsJson = False,
) -> None:
    """Show what a run's model wrote, and what its reward said of it; or write rows for the next stage."""
    with exit_codes():
        if best is not None and worst is not None:
            raise ValueError("--best and --worst: give one of them")
        from rl.commands.samples.bounds import Bounds
        from rl.commands.samples.choose import Asked
        from rl.commands.samples.command import samples_cli

        ranges = {
            name: Bounds.parse(text, option=f"--{name}")
            for name, text in (("step", step), ("reward", reward), ("length", length))
            if text is not None
        }
        asked = Asked(
            **ranges,
            category=category,
            reason=reason,
            correct=correct,
            kept=kept,
            prompt=prompt,
            grep=grep,
            evaluation=evaluation,
            best_first=best is not None,
            worst_first=worst is not None,
        )
        shown = best or worst or limit
        samples_cli(run, asked, limit=shown, pairs=pairs, sft=sft, most=most, as_json=as_json)
