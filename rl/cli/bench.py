"""``t2rl bench``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson, Overrides
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl bench runs/quickstart --concurrency 1,4,16 --to cost.json[/]

[bold]t2rl bench models/mine --prompt-tokens 128,512 --arrival-rate 0.5,1 rollout.max_model_len=1024[/]
closed loads, and requests by the clock

[bold]t2rl bench models/mine --trace arrivals.jsonl --requests 100 --arrival-rate 2[/]
rows {t, in, out}: seconds, prompt tokens, answer tokens

[bold]t2rl bench models/mine --bits 16,8 --to cost.json[/]   also with int8 weights, and their log-probs

[bold]t2rl plan bases runs/bases/mini --cost cost.json[/]   the planner reads the fitted cost; docs/cost.md
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench", epilog=EPILOG)(bench)


def bench(
    target: Annotated[
        str,
        typer.Argument(metavar="MODEL_DIR|RUN", help="A Hugging Face model directory, or a run directory."),
    ],
    overrides: Overrides = None,
    concurrency: Annotated[
        str, typer.Option(help="Requests at work at any time, of each closed load.")
    ] = "1,2,4,8",
    prompt_tokens: Annotated[str, typer.Option(help="Lengths of prompts.")] = "32,64",
    answer_tokens: Annotated[str, typer.Option(help="Lengths of answers; none ends earlier.")] = "32",
    arrival_rate: Annotated[
        str | None, typer.Option(help="Requests a second, at random: open loads. Also the rate of a trace.")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(help="JSONL of arrivals: t (seconds) or t_ms, in, out.")
    ] = None,
    requests: Annotated[int | None, typer.Option(min=2, help="Requests of each load.")] = None,
    bits: Annotated[
        str | None,
        typer.Option(metavar="16,8,4", help="Weight formats, served for real: bfloat16, int8, int4."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of arrivals and prompts.")] = 0,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the result there, for --cost.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Load-test the engine: tokens/s, times to and between tokens, memory; and fit a cost model."""
    with exit_codes():
        from rl.commands.bench.command import bench_cli
        from rl.commands.bench.points import BenchOptions, parse_numbers

        rates = () if arrival_rate is None else parse_numbers("--arrival-rate", arrival_rate, float)
        options = BenchOptions(
            concurrency=parse_numbers("--concurrency", concurrency),
            prompt_tokens=parse_numbers("--prompt-tokens", prompt_tokens),
            answer_tokens=parse_numbers("--answer-tokens", answer_tokens),
            arrival_rate=rates,
            trace=trace,
            requests=requests,
            seed=seed,
            bits=() if bits is None else parse_numbers("--bits", bits),
        )
        bench_cli(target, list(overrides or []), options, to=to, as_json=as_json)
