"""``t2rl plan cascade``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes
from rl.cli.plan_bases import named_device

EPILOG = """
Examples:

[bold]t2rl plan cascade runs/small runs/large --to cascade.json[/]  as accurate as the best model, and cheaper

[bold]t2rl plan cascade candidates.yaml --no-verifier --collision 0.3 --margin 0.02[/]   answers must agree

[bold]t2rl serve cascade.json[/]   what it wrote
"""


def register(group: typer.Typer) -> None:
    """Add the command to ``t2rl plan``."""
    group.command("cascade", epilog=EPILOG)(cascade)


def cascade(
    candidates: Annotated[
        list[Path],
        typer.Argument(
            metavar="CANDIDATES...",
            help="Run directories with the samples of an evaluation, or YAML files of candidates, as in t2rl"
            " plan serve.",
        ),
    ],
    unit: Annotated[str, typer.Option(help="usd or flops: what is saved.")] = "flops",
    margin: Annotated[
        float, typer.Option(help="Accuracy asked for above the best single model's, against optimism.")
    ] = 0.0,
    verifier: Annotated[
        bool, typer.Option("--verifier/--no-verifier", help="Answers can be checked where it serves.")
    ] = True,
    collision: Annotated[
        float,
        typer.Option(min=0, max=1, help="Without a verifier: share of pairs of wrong answers that agree."),
    ] = 1.0,
    depth: Annotated[int, typer.Option(min=2, max=4, help="Most rungs.")] = 3,
    cost: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Result of t2rl bench --to: measured cost of a candidate."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Of planner/cost/devices.yaml, or 'here'; prices what no FILE has measured.")
    ] = "here",
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it for t2rl serve.")] = None,
    as_json: AsJson = False,
) -> None:
    """The cheapest cascade that is as accurate as the best single model, from recorded samples, with what it
    saves on problems that did not choose it."""
    with exit_codes():
        from rl.commands.plan_cascade import UNITS, plan_cascade_cli

        if unit not in UNITS:
            raise ValueError(f"--unit {unit}: one of {', '.join(UNITS)}")
        if unit == "flops" and (cost or device != "here"):
            raise ValueError("--cost and --device price USD; add --unit usd")
        plan_cascade_cli(
            candidates,
            unit=unit,
            margin=margin,
            verifier=verifier,
            collision=collision,
            depth=depth,
            cost_files=cost or (),
            device=None if unit == "flops" else named_device(device),
            to=to,
            as_json=as_json,
        )
