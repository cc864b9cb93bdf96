"""Code of the user's own, in a folder whose files are called like our packages: rewards that are graded,
failing now and then, and broken; and a run of which every part is the user's."""

import json

import pytest

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


PARTS = """
import sys
from pathlib import Path

sys.path.insert(0, {examples!r})
from own_objective import lion, median, square, symmetric
from own_task import Doubling


def halved(rewards, samples, *, by=2.0):
    return rewards / by


def says_so(early, latest):
    return "the learner applied a step" if latest[-1].get("learner/applied") == 1 else None
"""
OWN = [
    "algorithm.advantage=parts.py:median",
    "algorithm.mask=parts.py:symmetric",
    "algorithm.mask.args={width: 0.3}",
    "algorithm.shaping=[{name: parts.py:halved, args: {by: 4.0}}]",
    "learner.optimizer=parts.py:lion",
    "learner.schedule=parts.py:square",
    "learner.lr=1e-4",
    "learner.warmup_steps=0",
    "run.advisories=[parts.py:says_so]",
    "~task",
    "task={kind: own, code: parts.py:Doubling, args: {highest: 200}}",
]


def test_a_run_of_which_all_parts_are_the_users_and_a_resume_after_one_has_changed(start, tmp_path):
    model = write_model(tmp_path / "model")
    folder = tmp_path / "work"
    folder.mkdir()
    parts = folder / "parts.py"
    parts.write_text(PARTS.format(examples=str(DATA.parents[1])))
    given = [
        f"model.path={model}",
        "cluster=local",
        "rollout.max_model_len=256",
        "checkpoint.every=2",
        *SMALL,
        *LITTLE,
        *OWN,
    ]

    job = start(*given, "run.steps=4", config="gsm8k", cwd=folder)
    assert job.wait() == 0, job.log
    steps = read_metrics(job.run / "metrics.jsonl")
    # (1 - p)^2 of the peak, over the three updates after the first.
    shares = [row["learner/lr"] / 1e-4 for row in steps]
    assert shares == pytest.approx([1, 4 / 9, 1 / 9, 0], abs=1e-6)
    assert [row.get("advisory/says_so") for row in steps] == [1.0, None, None, None]
    assert "the learner applied a step" in " ".join(job.log.split())

    parts.write_text(parts.read_text().replace("rewards / by", "rewards / (2 * by)"))
    job = start(*given, "run.steps=5", "resume=auto", config="gsm8k", cwd=folder)
    assert job.wait() == 2, job.log
    log = " ".join(job.log.split())
    assert "algorithm_code" in log and "parts.py" in log and "resume.accept" in log

    job = start(*given, "algorithm.mask=parts.py:gone", config="gsm8k", cwd=folder)
    assert job.wait() == 2, job.log
    assert "algorithm.mask is 'parts.py:gone'" in " ".join(job.log.split())
