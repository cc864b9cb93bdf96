"""``t2rl bases``: build a ladder of bases, post-train it, evaluate it."""

import json
from pathlib import Path
from typing import Annotated, Any

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

[bold]t2rl bases eval runs/mine --config quickstart --temperatures 0.6,1 --max-tokens 8,24[/]
by the engines, on a run's own task; the lower limit is read from the lengths
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
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[OVERRIDES]...", help="As of t2rl train; with --config.")
    ] = None,
    config: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="Sample by the engines, on the task of this run.")
    ] = "",
    temperatures: Annotated[
        str, typer.Option(metavar="T,...", help="With --config: sampled at each. Default: the run's.")
    ] = "",
    max_tokens: Annotated[
        str, typer.Option(metavar="M,...", help="With --config: limits; the largest is sampled under.")
    ] = "",
    bits: Annotated[
        str, typer.Option(metavar="8,4", help="Also score with weights fake-quantised to so many bits.")
    ] = "",
    cells: Cells = "",
    as_json: AsJson = False,
) -> None:
    """Score every checkpoint on the same held-out problems: likelihood of the answer, and samples judged by
    the verifier. With --config by the engines, on any task, at any temperature and limit of tokens."""
    with exit_codes():
        from rl.ladder.tables import print_sampled, print_scores

        if config:
            scores = _by_engines(directory, config, overrides or [], temperatures, max_tokens, bits, cells)
            show = print_sampled
        else:
            from rl.ladder.evaluate import evaluate_ladder, parse_bits

            _refuse_engine_options(overrides or [], temperatures, max_tokens)
            scores = evaluate_ladder(directory, bits=parse_bits(bits), only=_names(cells))
            show = print_scores
        if as_json:
            typer.echo(json.dumps({"dir": str(directory), "scores": scores}, indent=1))
        else:
            show(directory, scores)


def _by_engines(
    directory: Path,
    config: str,
    overrides: list[str],
    temperatures: str,
    max_tokens: str,
    bits: str,
    cells: str,
) -> list[dict[str, Any]]:
    from rl.commands.bases_eval import Asked, sample_ladder
    from rl.ladder.sampled import parse_axis

    if bits:
        raise ValueError("--bits rounds weights for the torch sampler; leave it out beside --config")
    asked = Asked(
        config=config,
        overrides=tuple(overrides),
        temperatures=tuple(parse_axis(temperatures, "--temperatures", float)),
        cuts=tuple(parse_axis(max_tokens, "--max-tokens", int)),
    )
    return sample_ladder(directory, asked, only=_names(cells))


def _refuse_engine_options(overrides: list[str], temperatures: str, max_tokens: str) -> None:
    given = [
        *overrides,
        *(["--temperatures"] if temperatures else []),
        *(["--max-tokens"] if max_tokens else []),
    ]
    if given:
        raise ValueError(f"{' '.join(given)}: of engines on a run's task; add --config quickstart")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
