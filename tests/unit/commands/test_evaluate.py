"""From the words of t2rl eval to a config and a model."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from rl.cli import app
from rl.commands.evaluate import resolve
from rl.commands.suites.targets import targets_of
from rl.config.load import dump_config, load_config
from tests.unit.commands.runs.made import make_run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def test_code_that_a_run_trusts_is_trusted_where_it_is_evaluated(tmp_path: Path, model: Path) -> None:
    trusted = ["model=path", f"model.path={model}", "model.trust_remote_code=true"]
    run = make_run(tmp_path, "mine")
    (run / "config.yaml").write_text(dump_config(load_config("quickstart", trusted)))
    (run / "model").mkdir()
    (run / "model" / "config.json").write_text("{}")
    config, found = resolve(run, [])
    assert found == run / "model" and config.model.path == str(found) and config.model.trust_remote_code
    assert not resolve(run, ["model.trust_remote_code=false"])[0].model.trust_remote_code


@pytest.mark.parametrize("words", [[], ["rollout.max_tokens=7"]])
def test_a_directory_needs_no_config_and_its_code_is_run_where_one_says_so(
    model: Path, words: list[str]
) -> None:
    assert not resolve(model, words)[0].model.trust_remote_code
    config, _ = resolve(model, [*words, "model.trust_remote_code=true"])
    assert config.model.trust_remote_code and config.model.path == str(model)
    [target] = targets_of([str(model), *words, "model.trust_remote_code=true"], to=None)
    assert target.config is not None and target.config.model.trust_remote_code


def test_an_override_may_take_a_field_away_and_there_is_one_config_at_most(
    tmp_path: Path, model: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({"defaults": ["quickstart", "_self_"], "rollout": {"stop": ["END"]}}))
    assert resolve(model, [str(own)])[0].rollout.stop == ("END",)
    assert not resolve(model, [str(own), "~rollout.stop"])[0].rollout.stop
    with pytest.raises(ValueError, match="one config at most; there are debug, quickstart"):
        resolve(model, ["debug", "quickstart"])


def test_options_of_suites_are_refused_without_one(model: Path) -> None:
    result = CliRunner().invoke(app, ["eval", str(model), "--max-tokens", "5", "--samples", "2"])
    assert result.exit_code == 2
    assert "--samples, --max-tokens: of named suites" in result.stderr.replace("\n", " ")


def test_the_model_of_a_stage_is_asked_as_any_directory_is(tmp_path: Path) -> None:
    run = make_run(tmp_path, "warm", config={"stage": "sft"})
    (run / "model").mkdir()
    (run / "model" / "config.json").write_text("{}")
    for words, name in (([], "quickstart"), (["debug"], "debug")):
        config, model = resolve(run, words)
        assert model == run / "model" and config.run.name == name
