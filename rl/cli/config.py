"""``t2rl config``."""

import json
from typing import Annotated

import typer

from rl.cli.arguments import AsJson, Overrides
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl config[/]   the configs and presets that ship

[bold]t2rl config quickstart[/]   what a quickstart uses, defaults included; --all has the rest

[bold]t2rl config gsm8k[/]   what you must give it yourself stands there as ???

[bold]t2rl config --explain learner.lr stream[/]   a field and a section: what they are, and what they can be

[bold]t2rl config quickstart --explain rollout[/]   with their values there, and the file that set each

[bold]t2rl config quickstart curriculum=knapsack > mine.yaml[/]   a file of your own: t2rl train mine.yaml
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("config", epilog=EPILOG)(config)


def config(
    name: str = typer.Argument(
        "", metavar="[NAME|FILE]", help="Which config to print; without it, list what ships."
    ),
    overrides: Overrides = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Describe fields instead: type, default, docstring, choices, and in a config who set them.",
        ),
    ] = False,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also what is off, unread, or a limit at its default."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print a config as it would run: composed, overridden, checked. What is left for you to give stands
    there as ???."""
    with exit_codes():
        if explain:
            from rl.cli.explain import explain_cli

            explain_cli([*([name] if name else []), *(overrides or [])], as_json=as_json)
            return
        from rl.config.load import preview
        from rl.config.roots import root_of

        if not name:
            typer.echo(_listing(as_json=as_json), nl=False)
            return
        text, missing = preview(root_of(name), name, overrides, complete=everything)
        typer.echo(_as_json(text) if as_json else _with_notes(text), nl=False)
        for line in missing:
            typer.echo(f"not yet complete: {line}", err=True)


def _as_json(text: str) -> str:
    import yaml

    return json.dumps(yaml.safe_load(text), indent=2) + "\n"


def _with_notes(text: str) -> str:
    """Missing values said where they stand."""
    return "".join(
        f"{line}  # missing: yours to give\n" if line.endswith(": ???") else f"{line}\n"
        for line in text.splitlines()
    )


def _listing(*, as_json: bool) -> str:
    """Whole runs and the presets of every group."""
    from rl.config.compose import config_groups, run_names

    groups = {group: sorted(presets) for group, presets in sorted(config_groups().items())}
    if as_json:
        return json.dumps({"configs": run_names(), "groups": groups}) + "\n"
    width = max(map(len, groups))
    lines = [f"{group:<{width}}  {', '.join(presets)}" for group, presets in groups.items()]
    return f"configs: {', '.join(run_names())}\n\nPresets, as group=preset:\n" + "\n".join(lines) + "\n"
