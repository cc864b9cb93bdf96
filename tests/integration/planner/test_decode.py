"""Decode strategies on the real in-process vLLM with the nano base and the real verifier pool."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def served() -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.integration.planner.serve_nano"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ), timeout=300
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(lines[0].removeprefix("RESULT "))


def test_every_strategy_answers_within_its_budget(served: dict[str, Any]) -> None:
    for name, runs in served["runs"].items():
        for run, prompt in zip(runs, served["prompts"], strict=True):
            assert 0 < run["used"] <= served["budget"], name
            assert 1 <= run["samples"] <= 6
            assert run["tokens"]["prefill"] == prompt * -(-run["samples"] // 2), (
                "two samples a round, each round pays the prompt"
            )


def test_tokens_charged_are_tokens_that_the_engine_generated(served: dict[str, Any]) -> None:
    charged = sum(run["tokens"]["decode"] for runs in served["runs"].values() for run in runs)
    assert charged == served["generated"]


def test_the_reward_is_the_verifier(served: dict[str, Any]) -> None:
    assert all(served["gold"])
    assert not served["nonsense"]
    for run in served["runs"]["repeated_sampling"]:
        assert run["accepted"] == (run["answer"] is not None)


def test_the_same_seed_samples_the_same(served: dict[str, Any]) -> None:
    assert served["same"]
