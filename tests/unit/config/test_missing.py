"""A config can be looked at before it is complete, and what it lacks is said all at once."""

import json

import pytest
from typer.testing import CliRunner

from rl.cli import app
from rl.config.load import ConfigError, load_config, preview
from rl.config.schema import Config

runner = CliRunner()


def test_config_shows_an_incomplete_config_whole_and_marks_what_is_missing() -> None:
    result = runner.invoke(app, ["config", "gsm8k"])
    assert result.exit_code == 0
    assert "  path: ???  # missing: yours to give\n" in result.stdout and "max_staleness: 1" in result.stdout
    assert "set task.path=FILE" in result.stderr and "model.path: missing" in result.stderr
    assert json.loads(runner.invoke(app, ["config", "gsm8k", "--json"]).stdout)["model"]["path"] == "???"


def test_what_is_shown_is_a_config_that_only_lacks_it(tmp_path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(runner.invoke(app, ["config", "gsm8k"]).stdout)
    given = ["model.path=models/any", "task.path=rows.jsonl"]
    assert load_config(str(file), given) == load_config("gsm8k", given)


def test_everything_that_is_missing_or_wrong_is_one_message() -> None:
    with pytest.raises(ConfigError) as error:
        load_config("gsm8k", ["learner.lr=-1"])
    assert all(
        words in str(error.value) for words in ("model.path: missing", "set task.path=FILE", "learner.lr: ")
    )
    with pytest.raises(ConfigError, match=r"learner\.lr"):
        preview(Config, "gsm8k", ["learner.lr=-1"])


def test_a_missing_number_or_section_is_named(tmp_path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("task: {kind: file, path: rows.jsonl}\nmodel: {kind: recipe}\nrun:\n  steps: ???\n")
    with pytest.raises(ConfigError, match=r"^run\.steps: missing; set run\.steps=\.\.\.$"):
        load_config(str(file))
    text, missing = preview(Config, str(file))
    assert "steps: ???" in text and missing == ["run.steps: missing; set run.steps=..."]
    file.write_text("run: {steps: 3}\n")
    _, missing = preview(Config, str(file))
    assert [line.split(":")[0] for line in missing] == ["task", "model"]


def test_a_complete_config_lacks_nothing() -> None:
    assert preview(Config, "quickstart")[1] == []
