"""``t2rl serve``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import Overrides
from rl.cli.exits import exit_codes
from rl.cli.listen import token_for

EPILOG = """
Examples:

[bold]t2rl serve runs/quickstart[/]   verified by the run's own reward, 8 samples at most

[bold]t2rl serve runs/quickstart --plan plan.json[/]
as planned by t2rl plan queries COUNTS --budget-tokens N --json > plan.json

[bold]t2rl serve models/mine --reward math --budget-tokens 4096 rollout.max_model_len=2048[/]
a Hugging Face directory

[bold]t2rl serve models/mine --samples 16[/]   no reward: majority votes that stop once they are settled

[bold]t2rl serve models/mine --strategy none[/]   n samples as drawn, log-probs, echo: what lm-eval needs

[bold]t2rl serve models/small --cascade models/large[/]
the large model where the small one's answer is not verified, or its samples differ

Requests: POST /v1/completions and /v1/chat/completions with an object [bold]t2rl[/] {id, category, answer,
metadata, budget_tokens,
strategy}; docs/serve.md.
"""


PlanFile = Annotated[
    Path | None,
    typer.Option(help="JSON of t2rl plan queries --json: samples and strategy by id and category."),
]
RewardName = Annotated[
    str | None,
    typer.Option(help="Verifier (t2rl rewards list); default: a run's own; none: votes decide."),
]
StrategyName = Annotated[
    str | None,
    typer.Option(
        help="repeated_sampling, majority, weighted_vote or best_of_n, instead of the plan's; none: as drawn."
    ),
]
Samples = Annotated[int, typer.Option(min=1, help="Samples of a request at most, where there is no plan.")]
RoundSamples = Annotated[
    int | None, typer.Option("--round", min=1, help="Samples drawn together; default: as planned, else 4.")
]
BudgetTokens = Annotated[
    int | None, typer.Option(min=2, help="Tokens that a request may spend, prompt included.")
]
ModelName = Annotated[
    str | None, typer.Option(help="Name of the model in requests; default: the directory's.")
]
ChatTemplate = Annotated[
    Path | None, typer.Option(help="Jinja file, for tokenizers without a chat template.")
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one and says which.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with the bearer token that callers must send.")]
Cascade = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL_DIR|RUN", help="Asked where the answer of the one before is not taken; may repeat."
    ),
]
Agree = Annotated[
    int, typer.Option(help="Samples of a cascade's model that must agree where nothing verifies.")
]
CostFiles = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Result of t2rl bench --to: prices a cascade's answers in money."),
]
Parallel = Annotated[int, typer.Option(min=1, help="Requests at work at once; they share the engines.")]
TimeoutS = Annotated[
    float, typer.Option(min=0.1, help="Seconds for a request, its waiting included; then 504.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve", epilog=EPILOG)(serve)


def serve(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODEL_DIR|RUN|FILE",
            help="A Hugging Face model directory, a run directory, or a cascade of t2rl plan cascade.",
        ),
    ],
    overrides: Overrides = None,
    plan: PlanFile = None,
    reward: RewardName = None,
    reward_args: Annotated[str | None, typer.Option(metavar="JSON", help="Arguments of the reward.")] = None,
    strategy: StrategyName = None,
    samples: Samples = 8,
    round_samples: RoundSamples = None,
    budget_tokens: BudgetTokens = None,
    cascade: Cascade = None,
    agree: Agree = 4,
    cost: CostFiles = None,
    name: ModelName = None,
    chat_template: ChatTemplate = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Port = 8000,
    token_file: TokenFile = None,
    parallel: Parallel = 32,
    queue: Annotated[int, typer.Option(min=0, help="Requests that may wait beyond that; then 503.")] = 128,
    timeout_s: TimeoutS = 120.0,
    max_body_kib: Annotated[int, typer.Option(min=1, help="Largest request.")] = 4096,
) -> None:
    """Serve a model over OpenAI's API, spending the planned samples on each request."""
    with exit_codes():
        token = token_for(host, token_file)
        from rl.serve.cascade_start import Rungs, serve_any
        from rl.serve.choice import Defaults
        from rl.serve.command import ServeOptions

        defaults = Defaults(
            samples=samples, round_samples=round_samples, strategy=strategy, budget_tokens=budget_tokens
        )
        options = ServeOptions(
            defaults=defaults,
            plan=plan,
            reward=reward,
            reward_args=reward_args,
            name=name,
            chat_template=chat_template,
            host=host,
            port=port,
            token=token,
            parallel=parallel,
            queue=queue,
            timeout_s=timeout_s,
            max_body=max_body_kib << 10,
        )
        rungs = Rungs(further=cascade or (), agree=agree, costs=cost or ())
        serve_any(target, list(overrides or []), options, rungs)
