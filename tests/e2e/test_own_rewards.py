"""A reward of the user's own, in a folder whose files are called like our packages: graded, failing now and
then, and broken."""

import json

from rl.records.metrics import read_metrics
from tests.e2e.test_files import DATA, LITTLE, SMALL, write_model

REWARDS = """
import hashlib

def judge(prompt: str, text: str) -> float:
    kind = hashlib.sha256(text.encode()).digest()[0] % 4
    if kind == 0:
        raise ConnectionError("judge is down")
    return kind / 4

def broken(text):
    if not text.startswith("I do not know"):
        return undefined
    return 0.0
"""


def test_a_graded_reward_that_fails_now_and_then_and_one_that_always_does(start, tmp_path):
    model = write_model(tmp_path / "model")
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "rewards.py").write_text(REWARDS)
    for name in ("rl.py", "rollout.py", "curricula.py"):
        (folder / name).write_text("raise RuntimeError('a file of the user was imported')\n")
    given = [
        f"model.path={model}",
        f"task.path={DATA}",
        "cluster=local",
        "rollout.max_model_len=1536",
        *SMALL,
        *LITTLE,
    ]

    job = start(*given, "task.reward=rewards.py:judge", "run.steps=4", config="gsm8k", cwd=folder)
    assert job.wait() == 0, job.log
    log = " ".join(job.log.split())
    assert log.count("rewards.py:7: judge is down (the first of its kind") == 1
    assert (
        "of the samples or more could not be judged" in log
        and "no sample has counted as correct so far" in log
    )
    steps = read_metrics(job.run / "metrics.jsonl")
    assert sum(row["reward/unjudged"] for row in steps) > 0 and all(
        row["learner/applied"] == 1 for row in steps
    )
    assert all(
        row["rollout/rollouts_trained"] == row["rollout/rollouts"] - row["reward/unjudged"] for row in steps
    )
    lines = json.loads((job.run / "summary.json").read_text())
    means = [line for line in lines if line["metric"] == "reward" and line["category"] == "overall"]
    assert means and all(0.25 <= line["before"]["value"] <= 0.75 for line in means)

    job = start(*given, "task.reward=rewards.py:broken", "run.name=broken", config="gsm8k", cwd=folder)
    assert job.wait() == 2, job.log
    log = " ".join(job.log.split())
    assert "rewards.py:12: name 'undefined' is not defined" in log
    assert "could judge none of the first" in log and "Traceback" not in log
