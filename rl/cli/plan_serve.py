"""``t2rl plan serve``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes
from rl.cli.plan_bases import named_device

EPILOG = """
Examples:

[bold]t2rl plan serve runs/small runs/large --budget 0.5[/]   the most accurate at 0.5 USD for 1000 queries

[bold]t2rl plan serve runs/small runs/large --target 0.8 --latency 2[/]   the cheapest that solves .8 in 2 s

[bold]t2rl plan serve candidates.yaml --unit flops --budget 1e12 --to plan[/]   also plan.json and front.svg

[bold]t2rl plan serve runs/small --target 0.6 --no-verifier[/]   votes decide, no answer can be checked
"""


def register(group: typer.Typer) -> None:
    """Add the command to ``t2rl plan``."""
    group.command("serve", epilog=EPILOG)(serve)


def serve(
    candidates: Annotated[
        list[Path],
        typer.Argument(
            metavar="CANDIDATES...",
            help=(
                "Run directories with the samples of an evaluation, or YAML files of candidates: [{name,"
                " samples, model, bits, temperature, max_tokens}]."
            ),
        ),
    ],
    budget: Annotated[
        float | None, typer.Option(min=0, help="Most that a query may cost, in --unit.")
    ] = None,
    latency: Annotated[float | None, typer.Option(min=0, help="Most seconds of a query, on average.")] = None,
    target: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share to be solved, at the least cost.")
    ] = None,
    unit: Annotated[
        str, typer.Option(help="usd (for 1000 queries), flops or latency (seconds) of a query.")
    ] = "usd",
    cost: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Result of t2rl bench --to: measured seconds of a candidate."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Of planner/cost/devices.yaml, or 'here' to measure this machine.")
    ] = "here",
    verifier: Annotated[
        bool, typer.Option("--verifier/--no-verifier", help="Answers can be checked where it serves.")
    ] = True,
    token_limits: Annotated[int, typer.Option(min=1, max=50, help="Limits tried for each candidate.")] = 5,
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="Write plan.json and front.svg.")] = None,
    as_json: AsJson = False,
) -> None:
    """Which model, weight format, temperature, token limit, samples and strategy to serve, chosen together
    from recorded samples, with what the choice gains on problems that did not make it."""
    with exit_codes():
        from planner.joint.choice import Limits
        from planner.joint.options import COSTS
        from rl.commands.plan_serve.command import plan_serve_cli

        if unit not in COSTS:
            raise ValueError(f"--unit {unit}: one of {', '.join(COSTS)}")
        plan_serve_cli(
            candidates,
            Limits(cost=unit, budget=budget, latency=latency, target=target),
            device=named_device(device),
            cost_files=cost or (),
            verifier=verifier,
            token_limits=token_limits,
            to=to,
            as_json=as_json,
        )
