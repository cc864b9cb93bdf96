"""Options of every command, anywhere on the line; machine-readable output of every table."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from rl.cli import app
from rl.cli.exits import DEBUG
from rl.cli.root import ANYWHERE, flags_first
from rl.records.terminal import QUIET

runner = CliRunner()
NO_TABLE = {"sft", "dpo", "export", "serve", "launch", "stop", "base build", "sandbox serve"}
"""Commands that print a line or nothing. One that prints a table takes --json."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (QUIET, DEBUG):
        monkeypatch.setenv(name, "")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))
    else:
        yield " ".join(path), command


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def test_every_command_that_prints_a_table_takes_json() -> None:
    found = commands(typer.main.get_command(app))
    assert {name for name, command in found if "--json" not in options(command)} == NO_TABLE


def test_no_command_has_a_flag_of_the_root_for_itself() -> None:
    for name, command in commands(typer.main.get_command(app)):
        assert not options(command) & ANYWHERE, name


def test_flags_of_the_root_may_stand_anywhere_before_a_double_dash() -> None:
    assert flags_first(["train", "quickstart", "-q", "--debug"]) == ["-q", "--debug", "train", "quickstart"]
    assert flags_first(["config", "--", "-q"]) == ["config", "--", "-q"]


def test_quiet_and_debug_reach_the_processes_that_a_command_starts() -> None:
    assert runner.invoke(app, ["config", "--quiet", "--debug", "--json"]).exit_code == 0
    assert os.environ[QUIET] == os.environ[DEBUG] == "1"


def test_a_users_mistake_has_a_traceback_only_with_debug() -> None:
    plain = runner.invoke(app, ["config", "nowhere"])
    assert plain.exit_code == 2 and "error: nowhere" in plain.output
    asked = runner.invoke(app, ["config", "nowhere", "--debug"])
    assert isinstance(asked.exception, ValueError)


def test_quiet_and_verbose_contradict_each_other() -> None:
    result = runner.invoke(app, ["config", "-q", "-v"])
    assert result.exit_code == 2 and "contradict" in result.output
