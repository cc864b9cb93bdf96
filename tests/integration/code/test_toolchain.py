"""A language that is not installed is said at once, with the package that has it: nothing is scored 0 for
it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rewards import check_reward
from rl.cli import app
from rollout.types import Prompt
from tests.integration.code.conftest import Rewards

ROW = {
    "completion": "x",
    "prompt": "q",
    "language": "nolang",
    "tests": [{"stdin": "", "stdout": "1"}],
    "label": True,
}
MESSAGE = (
    "language: nolang needs no-such-program, which the sandbox does not find; install it (Debian, Ubuntu:"
    " apt-get install nolang)"
)


@pytest.fixture
def languages(tmp_path: Path, rewards: Rewards) -> str:
    rewards()  # skips where there is no sandbox
    (tmp_path / "nolang.yaml").write_text(
        "file: program.no\nrun: [no-such-program, program.no]\nversion: [no-such-program,"
        " --version]\npackage: nolang\n"
    )
    return str(tmp_path)


@pytest.mark.parametrize(
    "command", [["score", "code", "ROWS"], ["check", "--reward", "code", "--rows", "ROWS"]]
)
def test_the_commands_stop(command: list[str], languages: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps(ROW) + "\n")
    given = [str(rows) if word == "ROWS" else word for word in command]
    result = CliRunner().invoke(
        app, ["rewards", *given, "--args", json.dumps({"languages": languages})], env={"COLUMNS": "400"}
    )
    assert result.exit_code == 2
    assert MESSAGE in " ".join(result.output.split())


def test_a_run_does_not_start(languages: str, rewards: Rewards) -> None:
    prompt = Prompt(id="p", text="q", token_ids=(), answer="", metadata=ROW)
    with pytest.raises(ValueError, match="apt-get install nolang"):
        check_reward(rewards(languages=languages), [prompt])
