"""``t2rl eval``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson, Overrides
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl eval runs/quickstart[/]
the final model of a run, on its own task; of an interrupted one, the newest checkpoint

[bold]t2rl eval runs/quickstart --step 40[/]   the checkpoint of step 40

[bold]t2rl eval models/mine quickstart evaluation.samples_per_prompt=32[/]   a Hugging Face directory

[bold]t2rl eval models/a models/b --suite gsm8k,ifeval --data DIR --compare[/]
two models on published problems; DIR has the files (docs/evaluation.md)

[bold]t2rl eval models/eval-a models/eval-b --suite gsm8k --compare[/]   the same from what is on disk
"""
PANEL = "Named suites"
Target = Annotated[
    str, typer.Argument(metavar="MODEL_DIR|RUN", help="A Hugging Face model directory, or a run directory.")
]
Step = Annotated[
    str | None, typer.Option(metavar="N|best", help="A checkpoint of a run instead of what it ended with.")
]
To = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where the counts go; default: in the run, or beside the model."),
]
Suites = Annotated[
    str,
    typer.Option(
        metavar="NAME[=FILE],...",
        help="Published problems instead of the run's own task; every word without = is then a model.",
        rich_help_panel=PANEL,
    ),
]
Data = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where the suites' files are.", rich_help_panel=PANEL)
]
Problems = Annotated[
    int | None, typer.Option(min=1, help="Of each suite. Default: all.", rich_help_panel=PANEL)
]
Samples = Annotated[
    int, typer.Option(min=0, help="Completions a problem, beside the greedy one.", rich_help_panel=PANEL)
]
Temperature = Annotated[float, typer.Option(min=0.01, help="Of the samples.", rich_help_panel=PANEL)]
Greedy = Annotated[bool, typer.Option(help="One completion at temperature 0.", rich_help_panel=PANEL)]
MaxTokens = Annotated[
    int | None, typer.Option(min=1, help="Of a completion. Default: the suite's own.", rich_help_panel=PANEL)
]
Chat = Annotated[
    bool | None,
    typer.Option(help="Through the chat template. Default: if there is one.", rich_help_panel=PANEL),
]
Shot = Annotated[
    str,
    typer.Option(
        metavar="N|NAME=N,...",
        help="Worked examples in front of each problem, from the suite's train split.",
        rich_help_panel=PANEL,
    ),
]
ShotsFile = Annotated[
    str,
    typer.Option(
        metavar="NAME=FILE,...",
        help="Files of worked examples. Default: the train split's in the same folder.",
        rich_help_panel=PANEL,
    ),
]
Stop = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        help="Ends a completion; may be repeated, '' is none. Default: the suite's, without a chat template.",
        rich_help_panel=PANEL,
    ),
]
StopToken = Annotated[
    list[int] | None,
    typer.Option(metavar="ID", help="A token that ends a completion.", rich_help_panel=PANEL),
]
Compare = Annotated[bool, typer.Option(help="Paired differences to the first model.", rich_help_panel=PANEL)]
Confidence = Annotated[
    float, typer.Option(min=0.5, max=0.999, help="Of the intervals.", rich_help_panel=PANEL)
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("eval", epilog=EPILOG)(evaluate)


def evaluate(
    context: typer.Context,
    target: Target,
    overrides: Overrides = None,
    step: Step = None,
    to: To = None,
    suite: Suites = "",
    data: Data = None,
    problems: Problems = None,
    samples: Samples = 4,
    temperature: Temperature = 0.6,
    greedy: Greedy = True,
    max_tokens: MaxTokens = None,
    chat: Chat = None,
    shots: Shot = "",
    shots_file: ShotsFile = "",
    stop: Stop = None,
    stop_token_id: StopToken = None,
    compare: Compare = False,
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model on held-out prompts, or several on published suites: unbiased pass@k with
    intervals."""
    with exit_codes():
        if not suite:
            from rl.commands.evaluate import evaluate_cli

            _refuse_options_of_suites(context)
            evaluate_cli(target, list(overrides or []), as_json=as_json, step=step, to=to)
            return
        from rl.commands.suites.command import suites_cli

        if step is not None:
            raise ValueError("--step is of a run's own task; export the checkpoint first (t2rl export)")
        suites_cli(
            [target, *(overrides or [])],
            suite,
            data=data,
            problems=problems,
            samples=samples,
            temperature=temperature,
            greedy=greedy,
            max_tokens=max_tokens,
            chat=chat,
            shots=shots,
            shots_file=shots_file,
            stop=stop or (),
            stop_token_ids=stop_token_id or (),
            compare=compare,
            confidence=confidence,
            to=to,
            as_json=as_json,
        )


def _refuse_options_of_suites(context: typer.Context) -> None:
    sources = {option: context.get_parameter_source(option.name or "") for option in context.command.params}
    given = [
        option.opts[0]
        for option, source in sources.items()
        if getattr(option, "rich_help_panel", None) == PANEL
        and source is not None
        and source.name == "COMMANDLINE"
    ]
    if given:
        raise ValueError(
            f"{', '.join(given)}: of named suites, and there is no --suite; a run's own task is evaluated by"
            " its config (evaluation.samples_per_prompt=32 rollout.max_tokens=512)"
        )
