"""``t2rl bases``: build a ladder of bases, post-train it, evaluate it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

BUILD = """
Examples:

[bold]t2rl bases build smoke[/]   nine bases in a few minutes

[bold]t2rl bases build standard --dir runs/bases/standard --jobs 1[/]
isolines 1 to 4; Ctrl-C and the same command go on

[bold]t2rl bases build standard --level 5[/]   adds the next isoline to it

[bold]t2rl bases build small --seed 1 --dir runs/bases/small-1[/]   other weights and documents
"""
POST_TRAIN = """
Examples:

[bold]t2rl bases post-train runs/bases/smoke[/]
every base, by  t2rl train quickstart  with the ladder's problems

[bold]t2rl bases post-train runs/bases/mini --cells 200k-r20,400k-r20 run.steps=100 algorithm=passk[/]
"""
EVAL = """
Examples:

[bold]t2rl bases eval runs/bases/smoke[/]
bases, post-trained ones and external.yaml; likelihood and sampling

[bold]t2rl bases eval runs/bases/mini --bits 8,4[/]   also with fake-quantised weights
"""
DirArgument = Annotated[Path, typer.Argument(metavar="DIR", help="A directory that  t2rl bases build  made.")]
Cells = Annotated[str, typer.Option(metavar="NAME,...", help="Only these; all of them unless told.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Ladders of tiny bases, from under- to overtrained.")
    group.command("build", epilog=BUILD)(build)
    group.command("post-train", epilog=POST_TRAIN)(post_train)
    group.command("eval", epilog=EVAL)(evaluate)
    app.add_typer(group, name="bases")


def build(
    ladder: Annotated[
        str,
        typer.Argument(
            metavar="LADDER|FILE", help="smoke, small, mini, distinct, standard, repeated, or a YAML file."
        ),
    ],
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Where; what is there is kept. Default: runs/bases/LADDER.")
    ] = None,
    level: Annotated[int | None, typer.Option(min=1, help="Highest isoline of training compute.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Sizes at once, one core each (Ray). 1: this process alone.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the initial weights and the documents.")] = None,
    unique_tokens: Annotated[
        int | None, typer.Option(min=1, help="Distinct tokens of data, seen again when they are used up.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pretrain every base of a ladder: one trunk for each size, one decayed branch for each number of
    tokens."""
    with exit_codes():
        from rl.ladder.build import build as run
        from rl.ladder.ladder import load_ladder
        from rl.ladder.tables import print_cells

        config = load_ladder(ladder, max_level=level, seed=seed, unique_tokens=unique_tokens)
        path = directory or Path("runs/bases") / config.name
        cells = run(config, path, jobs=jobs)
        if as_json:
            typer.echo(json.dumps({"dir": str(path), "cells": cells}, indent=1))
        else:
            print_cells(path, cells)


def post_train(
    directory: DirArgument,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[OVERRIDES]...", help="As of t2rl train.")
    ] = None,
    config: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="The run that each base goes through.")
    ] = "quickstart",
    cells: Cells = "",
    as_json: AsJson = False,
) -> None:
    """Post-train bases by RLVR, one run after the other; those that are done are left alone."""
    with exit_codes():
        from rl.ladder.post_train import post_train as run
        from rl.ladder.tables import print_post

        done = run(directory, config=config, overrides=list(overrides or []), only=_names(cells))
        if as_json:
            typer.echo(json.dumps({"dir": str(directory), "post": done}, indent=1))
        else:
            print_post(directory, done)


def evaluate(
    directory: DirArgument,
    bits: Annotated[
        str, typer.Option(metavar="8,4", help="Also score with weights fake-quantised to so many bits.")
    ] = "",
    cells: Cells = "",
    as_json: AsJson = False,
) -> None:
    """Score every checkpoint on the same held-out problems: likelihood of the answer, and samples judged by
    the verifier."""
    with exit_codes():
        from rl.ladder.evaluate import evaluate_ladder, parse_bits
        from rl.ladder.tables import print_scores

        scores = evaluate_ladder(directory, bits=parse_bits(bits), only=_names(cells))
        if as_json:
            typer.echo(json.dumps({"dir": str(directory), "scores": scores}, indent=1))
        else:
            print_scores(directory, scores)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
