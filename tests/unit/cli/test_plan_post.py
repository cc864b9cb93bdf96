"""``t2rl plan post`` on written runs whose curve is known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from rl.cli import app
from rl.views.evaluations import evaluation_file

PROBLEMS, SAMPLES, EVERY = 100, 8, 20


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["plan", "post", *arguments])


def write_run(path: Path, evaluations: int, *, middle: float) -> Path:
    """Held-out pass@1 from .3 towards .7, half of the way at ``middle`` steps; 50 tokens a step."""
    (path / "eval").mkdir(parents=True)
    (path / "attempts.jsonl").write_text('{"attempt": 1}\n')
    (path / "config.yaml").write_text("evaluation: {temperature: 1.0}\nrollout: {max_tokens: 8}\n")
    steps = EVERY * (evaluations - 1)
    (path / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": s, "attempt": 1, "rollout/tokens": 50}) + "\n" for s in range(steps))
    )
    rng = np.random.default_rng(0)
    for version in range(0, steps + 1, EVERY):
        rate = 0.3 + (0.4 / (1 + middle / version) if version else 0.0)
        right = rng.binomial(SAMPLES, rate, PROBLEMS)
        evaluation_file(path / "eval", version).write_text(
            "".join(
                json.dumps({"version": version, "temperature": 1.0, "id": f"p{i}", "n": SAMPLES, "c": int(c)})
                + "\n"
                for i, c in enumerate(right)
            )
        )
    return path


def test_a_run_that_still_rises_goes_on_and_one_on_its_plateau_stops(tmp_path: Path) -> None:
    rising = json.loads(
        call(str(write_run(tmp_path / "a", 5, middle=200)), "--until", "400", "--json").stdout
    )
    flat = json.loads(
        call(
            str(write_run(tmp_path / "b", 16, middle=3)), "--until", "320", "--least", "0.03", "--json"
        ).stdout
    )
    assert not rising["advice"]["stop"]
    assert rising["forecast"]["low"] < 0.3 + 0.4 / (1 + 200 / 400) < rising["forecast"]["high"]
    assert flat["advice"]["stop"]
    assert flat["plateau"]["value"] == pytest.approx(0.7, abs=0.05)


def test_the_axis_may_be_tokens_and_the_table_says_what_to_do(tmp_path: Path) -> None:
    result = call(str(write_run(tmp_path / "a", 5, middle=200)), "--unit", "tokens", "--until", "20000")
    assert result.exit_code == 0, result.output
    assert "4000" in result.output
    assert "at 20000 tokens" in result.output
    assert "go on" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--k", "8"], "samples_per_prompt"),
        (["--unit", "hours"], "steps, tokens"),
        (["--temperature", "0.5"], "no evaluation at temperature 0.5"),
        (["--until", "10"], "beyond what is spent"),
    ],
)
def test_what_cannot_be_answered_is_refused(tmp_path: Path, options: list[str], message: str) -> None:
    result = call(str(write_run(tmp_path / "a", 5, middle=50)), *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_short_curve_asks_for_more_evaluations(tmp_path: Path) -> None:
    result = call(str(write_run(tmp_path / "a", 3, middle=50)))
    assert result.exit_code == 2
    assert "evaluation.every" in result.output
