"""What is checked of a service before any engine starts, on a real model directory."""

from pathlib import Path

from typer.testing import CliRunner

from rl.cli import app as cli
from rl.config.load import load_config
from rl.run.prepare.inputs import locate_model

runner = CliRunner()


def test_a_target_that_is_nothing() -> None:
    result = runner.invoke(cli, ["serve", "nowhere"])
    assert result.exit_code == 2 and "neither a run directory" in result.output


def test_plan_and_arguments_are_checked_against_a_real_model_directory(tmp_path: Path) -> None:
    model = str(locate_model(load_config("debug")))
    for options, words in (
        (["--plan", str(tmp_path / "none.json")], "t2rl plan queries"),
        (["--reward", "maths"], "'maths' is unknown"),
        (["--reward", "math", "--reward-args", "[]"], "must be a JSON object"),
        (["--reward-args", "{}"], "of which reward?"),
        (["--strategy", "best_of_n"], "it needs a reward"),
        (["--chat-template", "none.jinja"], "--chat-template none.jinja: no such file"),
        (["rollout.max_tokns=3"], "max_tokens"),
    ):
        result = runner.invoke(cli, ["serve", model, "debug", *options])
        assert result.exit_code == 2 and words in result.output, (options, result.output)
