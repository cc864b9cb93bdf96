"""``t2rl base``: tiny base models of our own recipe."""

import typer

from rl.cli.arguments import Overrides
from rl.cli.exits import exit_codes

EPILOG = """
Examples:

[bold]t2rl base build[/]   the base of quickstart

[bold]t2rl base build nano[/]   a model preset

[bold]t2rl base build tiny model.recipe.tokens=5e6[/]
twice the corpus: another base, cached beside the first
"""
DEFAULT = "quickstart"


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Build tiny base models.")
    group.command("build", epilog=EPILOG)(build)
    app.add_typer(group, name="base")


def build(
    name: str = typer.Argument(
        DEFAULT, metavar="[NAME|FILE]", help="A config, or a model preset such as tiny."
    ),
    overrides: Overrides = None,
) -> None:
    """Pretrain a base by its recipe, or convert one that a Python package holds, or find it in the cache;
    prints its directory. An interrupted build is taken up again."""
    with exit_codes():
        from rl.config.compose import config_groups
        from rl.config.load import ConfigError, load_config

        more = list(overrides or [])
        if "=" in name:
            name, more = DEFAULT, [name, *more]
        elif name in config_groups()["model"]:
            name, more = DEFAULT, [f"model={name}", *more]
        config = load_config(name, more)
        if config.model.kind == "path":
            raise ConfigError(
                f"model.kind: {config.model.kind!r} is built already; choose a recipe, for example model=tiny"
            )
        from rl.run.prepare.inputs import locate_model

        directory = locate_model(config)
    typer.echo(directory)
