"""Every ``t2rl`` command that a page or a help text prints is one that the program takes, with every flag,
field and preset."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from rl.cli import app
from rl.config.compose import run_names
from rl.config.load import preview
from rl.config.roots import ROOTS, root_of
from tests.unit.docs.commands import HELP, PAGES, ROOT, commands_of

FILES = [file for file in (*PAGES, *HELP) if next(commands_of(file), None) is not None]
TAKES_CONFIG = {*ROOTS, "config", "launch"}


def parsed(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """(command, its parameters); click raises what a user would see."""
    command: Any = get_command(app)
    context = command.make_context("t2rl", list(arguments))
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return context.info_name, context.params


@cache
def composes(name: str, overrides: tuple[str, ...]) -> None:
    """Raises what a user would see; values that are left to the user may be missing."""
    preview(root_of(name), name, list(overrides))


def test_pages_and_help_texts_are_found() -> None:
    names = {file.relative_to(ROOT).as_posix() for file in FILES}
    assert {"README.md", "docs/stages.md", "deploy/README.md", "rl/cli/train.py", "rl/cli/passk.py"} <= names
    assert ["train", "quickstart", "resume=auto"] in list(commands_of(ROOT / "README.md"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_command_is_taken(file: Path) -> None:
    for arguments in commands_of(file):
        if arguments[0].startswith("-") or "--help" in arguments:
            assert {"--help", "--version", "--install-completion"} & set(arguments), (
                "options that act at once are not tried here"
            )
            continue
        command, given = parsed(arguments)
        if command in TAKES_CONFIG and given["name"] in run_names() and not given.get("explain"):
            composes(given["name"], tuple(given["overrides"] or ()))


def test_a_command_that_is_not_taken_is_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        parsed(["passk", "counts.jsonl", "--nonsense"])
