"""``t2rl simulate``: what it prints, and how it refuses."""

import json

import pytest
from typer.testing import CliRunner

from rl.cli import app

SMALL = ["engines.count=2", "learner.ranks=1", "plan.prompts_per_step=4", "--steps", "3"]


def run(*words: str):
    return CliRunner().invoke(app, ["simulate", *words])


def test_every_figure_says_simulated() -> None:
    found = run("predict", "h100-7b", *SMALL, "--against-sync")
    assert found.exit_code == 0, found.output
    assert "simulated, not measured" in found.output and "times as fast" in found.output
    as_json = json.loads(run("predict", "h100-7b", *SMALL, "--json").stdout)
    assert as_json["simulated"] is True and as_json["step_s"] > 0


def test_a_plan_names_split_staleness_and_batch() -> None:
    words = [
        "plan",
        "h100-7b",
        "--gpus",
        "2",
        "--max-staleness",
        "1",
        "--steps",
        "2",
        "plan.prompts_per_step=4",
    ]
    found = json.loads(run(*words, "--json").stdout)
    assert {"engines", "ranks", "max_staleness", "prompts_per_step"} <= set(found["chosen"])
    assert all(one["simulated"] for one in found["splits"])
    assert "take " in run(*words).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predict", "h100-8b"], "Did you mean 'h100-7b'?"),
        (["predict", "h100-7b", "engines.cuont=2"], "Did you mean 'count'?"),
        (["predict", "h100-7b", "learner=2"], "learner is a section; set a field of it"),
        (["predict", "h100-7b", "sync.every=5"], "set plan.max_staleness to 4 or more"),
        (["plan", "h100-7b", "--gpus", "1", "engines.gpus=8"], "an engine needs 8"),
        (["calibrate", "nowhere"], "no such run directory"),
    ],
)
def test_what_is_wrong_is_named_with_the_fix(words: list[str], said: str) -> None:
    found = run(*words)
    assert found.exit_code == 2
    assert said in found.output
