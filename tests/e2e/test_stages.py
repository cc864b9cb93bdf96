"""The recipe from the command line: supervised, preferences, reinforcement learning, each on the model of the
one before."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from rl.records.metrics import read_metrics
from tests.e2e.conftest import assert_exactly_once

T2RL = str(Path(sys.executable).with_name("t2rl"))
NANO = ["model=nano", "task.train_prompts=400", "trainer.lr=3e-3", "trainer.epochs=6"]
STEPS = 6 * 13
"""Six passes over 400 rows in batches of 32."""


def t2rl(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "T2RL_CACHE": str(cache)}
    return subprocess.run(
        [T2RL, *arguments], capture_output=True, text=True, timeout=240, check=False, env=environment
    )


def test_supervised_then_preferences_then_reinforcement(cache: Path, tmp_path: Path) -> None:
    runs = f"run.dir={tmp_path}"
    sft = t2rl(cache, "sft", "sft_quickstart", runs, *NANO)
    assert sft.returncode == 0, sft.stderr
    assert f"model.path={tmp_path}/sft/model" in sft.stdout
    losses = [row["sft/loss"] for row in read_metrics(tmp_path / "sft" / "metrics.jsonl")]
    assert len(losses) == STEPS and losses[-1] < losses[0]

    pairs = ["pairs.prompts=60", "task.levels=[1]", "trainer.batch_size=8", "rollout.max_tokens=24"]
    dpo = t2rl(cache, "dpo", "dpo_quickstart", runs, "model=path", f"model.path={tmp_path}/sft/model", *pairs)
    assert dpo.returncode == 0, dpo.stderr
    rows = read_metrics(tmp_path / "dpo" / "metrics.jsonl")
    sampled = [json.loads(line) for line in (tmp_path / "dpo" / "pairs.jsonl").read_text().splitlines()]
    assert len(rows) == -(-len(sampled) // 8) and abs(rows[0]["dpo/loss"] - 0.6931) < 1e-3
    assert all(r["chosen_ids"][-1] == r["rejected_ids"][-1] == 2 and r["prompt_ids"][0] == 1 for r in sampled)

    hpt = ["algorithm=hpt", "rollout.max_model_len=128"]
    rl = t2rl(cache, "train", "debug", runs, "model=path", f"model.path={tmp_path}/dpo/model", *hpt)
    assert rl.returncode == 0, rl.stderr
    assert_exactly_once(tmp_path / "debug", steps=3, groups_per_step=4)
    trained = read_metrics(tmp_path / "debug" / "metrics.jsonl")
    for row in trained:
        assert row["demonstrations/groups_without"] == 0
        assert (row["learner/demonstration_tokens"] > 0) == (row["demonstrations/groups_switched"] > 0)
        assert row["rollout/rollouts"] == 16, "the statistics are those of the rollouts"
    assert sum(row["demonstrations/groups_switched"] for row in trained) > 0, (
        "some problem was too hard for four attempts"
    )
    assert max(row["sync/probe_gap"] for row in trained if "sync/probe_gap" in row) <= 1e-5


def test_ctrl_c_leaves_a_checkpoint_that_resume_auto_takes_up(cache: Path, tmp_path: Path) -> None:
    arguments = ["sft", "sft_quickstart", f"run.dir={tmp_path}", *NANO, "checkpoint.every=0"]
    metrics, deadline = tmp_path / "sft" / "metrics.jsonl", time.monotonic() + 120
    environment = {**os.environ, "T2RL_CACHE": str(cache)}
    with subprocess.Popen(
        [T2RL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        while not (metrics.exists() and len(read_metrics(metrics)) >= 5):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate(timeout=10)[0]
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and "resume=auto goes on" in output
    assert not (tmp_path / "sft" / "model").exists()
    again = t2rl(cache, *arguments, "resume=auto")
    assert again.returncode == 0, again.stderr
    assert [row["step"] for row in read_metrics(metrics)] == list(range(STEPS))
    assert (tmp_path / "sft" / "model" / "config.json").is_file()
