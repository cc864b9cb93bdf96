"""``t2rl plan bases``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes

if TYPE_CHECKING:
    from planner.cost.devices import Device

EPILOG = """
Examples:

[bold]t2rl plan bases runs/bases/mini[/]   surface.json, tradeoff.csv and pictures in runs/bases/mini/plan

[bold]t2rl plan bases runs/bases/mini --device h100_sxm --queries 1e5,1e7 --total-flops 1e14[/]

[bold]t2rl plan bases runs/mine --temperature 0.6 --max-tokens 64[/]   of the engines' samples, cut at 64

[bold]t2rl plan bases runs/bases/mini --device here[/]   latencies by what  t2rl  measures on this machine
"""


def register(group: typer.Typer) -> None:
    """Add the command to ``t2rl plan``."""
    group.command("bases", epilog=EPILOG)(bases)


def bases(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A ladder that t2rl bases eval has scored.")
    ],
    device: Annotated[
        str, typer.Option(help="Of planner/cost/devices.yaml, or 'here' to measure this machine.")
    ] = "here",
    queries: Annotated[
        str, typer.Option(metavar="Q,...", help="Numbers of queries to serve, for the end-to-end optimum.")
    ] = "1e4,1e5,1e6",
    total_flops: Annotated[
        float | None, typer.Option(min=1, help="Budget of training and serving. Default: 4 x the top base.")
    ] = None,
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap replicates of every interval.")] = 200,
    categories: Annotated[
        str, typer.Option(metavar="NAME,...", help="Only these problems; written to DIR/plan/A+B.")
    ] = "",
    cost: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Result of t2rl bench --to: measured seconds of its checkpoint."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Of the engines' samples (t2rl bases eval --config) that surfaces are fitted to."),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Limit of tokens that those samples are cut at.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Which size, how many tokens, how many samples: surfaces fitted to a ladder, their optima, and what a
    query costs."""
    with exit_codes():
        from rl.ladder.analysis.report import plan_bases, plan_folder
        from rl.ladder.analysis.tables import print_plan

        chosen = [name.strip() for name in categories.split(",") if name.strip()]
        report = plan_bases(
            directory,
            device=named_device(device),
            queries=_numbers(queries),
            total_flops=total_flops,
            resamples=resamples,
            categories=chosen,
            cost_files=cost or (),
            temperature=temperature,
            max_tokens=max_tokens,
        )
        folder = plan_folder(directory, chosen)
        if as_json:
            typer.echo((folder / "surface.json").read_text(encoding="utf-8"))
        else:
            print_plan(folder, report)


def named_device(name: str) -> "Device":
    """A shipped device, or this machine, measured."""
    if name == "here":
        from rl.ladder.calibrate import this_machine

        return this_machine()
    from planner.cost.devices import device

    return device(name)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ValueError(f"--queries {text}: give numbers, for example --queries 1e4,1e6") from error
