"""``t2rl plan queries``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl plan queries counts.jsonl --budget-tokens 50000[/]
rows {id, n, c}, with category and tokens if you like

[bold]t2rl plan queries runs/quickstart/eval/version-00000120.jsonl --temperature 1 --budget-tokens 2e5
--mode sequential[/]

[bold]t2rl plan queries counts.jsonl --budget-tokens 50000 --verifier-fpr 0.05 --loss 1 --json[/]
a verifier that errs

[bold]t2rl plan queries counts.jsonl --budget-tokens 50000 --no-verifier[/]   majority votes
"""
VERIFIER = "A verifier judges the samples; without one, votes do."


def register(group: typer.Typer) -> None:
    """Add the command to ``t2rl plan``."""
    group.command("queries", epilog=EPILOG)(queries)


def queries(
    counts: Annotated[
        Path,
        typer.Argument(
            metavar="COUNTS",
            help=(
                "JSONL rows {id, n, c, category?, tokens?}, tokens being those of the n samples together; n ="
                " 0: never sampled."
            ),
        ),
    ],
    budget_tokens: Annotated[float, typer.Option(help="Completion tokens over all queries.")],
    mode: Annotated[
        str, typer.Option(help="parallel: all samples of a query at once; sequential: until one is accepted.")
    ] = "parallel",
    verifier: Annotated[bool, typer.Option("--verifier/--no-verifier", help=VERIFIER)] = True,
    verifier_fpr: Annotated[
        float, typer.Option(help="Share of wrong samples that it accepts, as measured.")
    ] = 0.0,
    verifier_tpr: Annotated[float, typer.Option(help="Share of right samples that it accepts.")] = 1.0,
    verifier_file: Annotated[
        Path | None,
        typer.Option(
            help="Both, as t2rl rewards check --write-spec has measured them, instead of the two above."
        ),
    ] = None,
    loss: Annotated[
        float, typer.Option(min=0, help="Of a wrong answer returned; a right one is worth 1.")
    ] = 0.0,
    tokens_per_sample: Annotated[float, typer.Option(min=1, help="Where no row says.")] = 256.0,
    temperature: Annotated[float | None, typer.Option(help="Which rows of an evaluation file.")] = None,
    as_json: AsJson = False,
) -> None:
    """How many samples each query gets under a token budget, and what is to be expected of it."""
    with exit_codes():
        from rl.commands.plan_queries import plan_queries_cli

        plan_queries_cli(
            counts,
            budget_tokens,
            mode=mode,
            rates=(verifier_fpr, verifier_tpr) if verifier else None,
            verifier_file=verifier_file,
            loss=loss,
            tokens_per_sample=tokens_per_sample,
            temperature=temperature,
            as_json=as_json,
        )
