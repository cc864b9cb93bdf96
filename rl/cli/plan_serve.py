"""``t2rl plan serve``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

if TYPE_CHECKING:
    from rl.commands.plan_serve.command import CostOf

EPILOG = """
Examples:

[bold]t2rl plan serve runs/small runs/large --budget 0.5[/]   the most accurate at 0.5 USD for 1000 queries

[bold]t2rl plan serve runs/small runs/large --target 0.8 --latency 2[/]   the cheapest that solves .8 in 2 s

[bold]t2rl plan serve candidates.yaml --cost flops --budget 1e12 --to plan[/]   also plan.json and front.svg

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
        float | None, typer.Option(min=0, help="Most that a query may cost, by --cost.")
    ] = None,
    latency: Annotated[float | None, typer.Option(min=0, help="Most seconds of a query, on average.")] = None,
    target: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share to be solved, at the least cost.")
    ] = None,
    cost: Annotated[
        str, typer.Option(help="usd (for 1000 queries), flops or latency (seconds) of a query.")
    ] = "usd",
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

        if cost not in COSTS:
            raise ValueError(f"--cost {cost}: one of {', '.join(COSTS)}")
        plan_serve_cli(
            candidates,
            Limits(cost=cost, budget=budget, latency=latency, target=target),
            cost_of=_roofline(device),
            verifier=verifier,
            token_limits=token_limits,
            to=to,
            as_json=as_json,
        )


def _roofline(name: str) -> "CostOf":
    from planner.cost.roofline import Server

    if name == "here":
        from rl.ladder.calibrate import this_machine

        found = this_machine()
    else:
        from planner.cost.devices import device

        found = device(name)
    return lambda candidate: Server(shape=candidate.shape, device=found, bits=candidate.recorded.bits)
