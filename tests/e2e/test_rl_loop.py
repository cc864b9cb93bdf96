"""``examples/rl_loop.py`` as a newcomer starts it, on a base small enough to be built in seconds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
STEPS = 40
SMALL = """
defaults: [quickstart, override model: nano, _self_]
model: {recipe: {tokens: 200000, corpus: {categories: {count_bits: 1.0}, level_weights: [1.0, 1.0]}}}
task: {categories: [count_bits], levels: [1, 2]}
stream: {prompts_per_step: 16, rollouts_per_prompt: 16}
rollout: {max_tokens: 32, max_model_len: 64, kv_cache_mib: 64}
learner: {lr: 2.0e-3}
"""
EVALUATION = re.compile(r"^(before|after): greedy (\S+), pass@1 (\S+) ", re.M)
STEP = re.compile(r"^step (\d+): pass rate (\S+), loss (\S+), gap (\S+)$", re.M)


def run(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script in a process of its own."""
    command = [sys.executable, str(ROOT / "examples" / "rl_loop.py"), *arguments]
    environment = {**os.environ, "T2RL_CACHE": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


@pytest.fixture(scope="module")
def printed(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one run prints."""
    config = tmp_path_factory.mktemp("config") / "small.yaml"
    config.write_text(SMALL)
    done = run(cache, "--config", str(config), "--steps", str(STEPS))
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    return done.stdout


def test_it_learns(printed: str) -> None:
    """Held-out pass@1 rose by .07 to .16 in four runs: two seeds, two learning rates."""
    sampled = {when: float(share) for when, _, share in EVALUATION.findall(printed)}
    assert sampled["after"] > sampled["before"] + 0.04
    rates = [float(rate) for _, rate, _, _ in STEP.findall(printed)]
    assert len(rates) == STEPS
    assert np.mean(rates[-10:]) > np.mean(rates[:10]) + 0.04


def test_the_engine_samples_from_the_weights_that_the_learner_has(printed: str) -> None:
    """The log-prob of every token that was trained on, engine against learner, after every push."""
    gaps = [float(gap) for _, _, _, gap in STEP.findall(printed)]
    assert len(gaps) == STEPS and max(gaps) < 1e-4


def test_the_loss_is_finite_and_not_nothing(printed: str) -> None:
    losses = np.array([float(loss) for _, _, loss, _ in STEP.findall(printed)])
    assert np.isfinite(losses).all() and np.abs(losses).max() > 1e-3


def test_what_the_loop_leaves_out_is_refused(cache: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("defaults: [debug, override algorithm: ppo, _self_]\n")
    done = run(cache, "--config", str(config))
    assert done.returncode == 2 and "use t2rl train" in done.stderr
