"""Whole runs: the debug config from the command line, without a compiler, twice the same, and evaluated
again."""

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from planner.estimators.counts_file import read_counts_file
from rl.records.metrics import read_metrics
from tests.e2e.conftest import Pace, assert_exactly_once

TIMINGS = ("time/", "system/", "advisory/")
"""Families that depend on clocks and on what else the machine does."""
PLANTED = "planted9b1f27c4"
"""A secret in the environment and in the config, which no file may show."""
SECONDS = "_s"
"""Ending of every metric that is a duration or a speed."""


def addresses_of(job):
    """Addresses that the run's processes listen on."""
    family = [psutil.Process(job.process.pid), *psutil.Process(job.process.pid).children(recursive=True)]
    found = set()
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= {
                c.laddr.ip.removeprefix("::ffff:")
                for c in process.net_connections("inet")
                if c.status == "LISTEN"
            }
    return found


def files_with(secret, folder):
    """Files below ``folder``, the printed output included, that hold the secret."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [str(path) for path in files if secret.encode() in path.read_bytes()]


def test_a_run_leaves_everything_it_promises(start, cache):
    best = ("checkpoint.keep_best=true", "checkpoint.keep=1", "checkpoint.every=2", "evaluation.every=2")
    job = start(
        "run.steps=4",
        "tracker=wandb",
        "learner.lora={}",
        "curriculum=knapsack+mixed",
        "stream.refill_rounds=1",
        f"cluster.env.OWN_TOKEN={PLANTED}",
        *best,
        env={"WANDB_API_KEY": PLANTED * 3, "HF_TOKEN": PLANTED, "MLFLOW_TRACKING_PASSWORD": PLANTED},
    )
    job.until_step(1)
    assert addresses_of(job) == {"127.0.0.1"}, "ports of Ray, ranks and engines"
    assert job.wait() == 0, job.log
    assert files_with(PLANTED, job.run.parent) == [], "a secret was written down"
    rows = ("metrics.jsonl", "trained_groups.jsonl", "curriculum.jsonl")
    for name in ("config.yaml", *rows, "summary.json", "model/model.safetensors", "wandb"):
        assert (job.run / name).exists(), name
    assert any(e["ph"] == "X" for e in json.loads((job.run / "trace.json").read_text()))
    assert len(list((job.run / "eval").glob("version-*.jsonl"))) == 3
    assert "best checkpoint by held-out pass@1: step" in job.log
    assert str(job.run) in job.log.replace("\n", "") and "pass@1" in job.log
    t2rl = str(Path(sys.executable).with_name("t2rl"))
    command = [t2rl, "eval", str(job.run), "--step", "4", "--json"]
    evaluated = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert evaluated.returncode == 0, evaluated.stderr
    adapter = (
        job.run / folder / "adapter" / "adapter_model.safetensors"
        for folder in ("model", "export/step-00000004")
    )
    assert len({file.read_bytes() for file in adapter}) == 1
    counts = job.run / "eval-step-00000004" / "version-00000000.jsonl"
    assert f"t2rl passk {counts} --temperature 1" in evaluated.stderr
    assert len(read_counts_file(counts, temperature=1.0)) == 8
    assert _values(evaluated.stdout) == _values((job.run / "summary.json").read_text()), (
        "the checkpoint is the model"
    )
    gaps = [
        row["sync/probe_gap"] for row in read_metrics(job.run / "metrics.jsonl") if "sync/probe_gap" in row
    ]
    assert gaps and max(gaps) <= 1e-5, "engine and learner agree on the same weights"


def _values(summary):
    return {
        (row["category"], row["metric"], row["temperature"]): row["after"]["value"]
        for row in json.loads(summary)
    }


def test_no_compiler_and_no_ninja_is_needed(start, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    # all that vLLM's CPU build runs; part of every Debian's base system
    (programs / "lscpu").symlink_to(shutil.which("lscpu"))
    job = start("run.steps=3", env={"PATH": str(programs), "CC": "", "CXX": ""})
    assert job.wait() == 0, job.log
    assert_exactly_once(job.run, steps=3, groups_per_step=4)


def test_synchronous_runs_with_one_seed_are_equal_number_for_number(start):
    def run(name):
        job = start("run.steps=6", f"run.name={name}", "stream.max_staleness=0", "run.seed=3")
        job.run = job.run.with_name(name)
        assert job.wait() == 0, job.log
        return job.run

    first, second = run("first"), run("second")
    rows = [[untimed(row) for row in read_metrics(d / "metrics.jsonl")] for d in (first, second)]
    assert rows[0] == rows[1]
    assert max(r["buffer/staleness_max"] for r in rows[0]) == 0
    groups = [(d / "trained_groups.jsonl").read_text() for d in (first, second)]
    assert groups[0] == groups[1]
    evaluations = [sorted((d / "eval").glob("*.jsonl")) for d in (first, second)]
    assert [p.read_text() for p in evaluations[0]] == [p.read_text() for p in evaluations[1]]


@pytest.mark.parametrize(
    ("preset", "figures"),
    [
        (
            ("algorithm=ppo", "algorithm.advantage.critic.warmup_steps=1"),
            ("critic/explained_variance", "loss/kl_reference"),
        ),
        (("algorithm=passk", "algorithm.advantage.k=2"), ("loss/total",)),
        (
            (
                "algorithm=brpo",
                "algorithm.advantage.budgets.tokens=[4,8,12]",
                "algorithm.advantage.budgets.summary_tokens=6",
            ),
            ("loss/total",),
        ),
        (
            (
                "algorithm=planner_loop",
                "algorithm.advantage.planner.warmup_steps=1",
                "algorithm.advantage.planner.every=1",
                "algorithm.advantage.planner.price_warmup_steps=1",
            ),
            ("planner/k_mean",),
        ),
    ],
    ids=["ppo", "passk", "brpo", "planner_loop"],
)
def test_other_algorithms_run_end_to_end(start, preset, figures):
    """GRPO is every other test's; the remaining presets train on recorded rollouts in the learner's tests."""
    job = start("run.steps=4", "learner.updates_per_batch=1", *preset)
    assert job.wait() == 0, job.log
    rows = read_metrics(job.run / "metrics.jsonl")
    assert len(rows) == 4 and all(row["learner/applied"] == 1 for row in rows)
    assert all(math.isfinite(row[name]) for row in rows[1:] for name in figures)
    assert_exactly_once(job.run, steps=4, groups_per_step=4)


def untimed(row):
    """A metrics row without what depends on clocks."""
    return {
        key: value for key, value in row.items() if not key.startswith(TIMINGS) and not key.endswith(SECONDS)
    }


def test_suites_are_evaluated_beside_the_training_and_compared(start, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("12+3\n\n40+2\n\n7+7")
    harder = "{kind: reasoning_gym, style: compact, categories: [chain_sum], levels: [4], extraction: hash}"
    suites = (
        f"harder: {{task: {harder}, num_prompts: 6, samples_per_prompt: 2, every: 2}}",
        f"sums: {{text: '{text}', every: 0}}",
    )
    pace = Pace(tmp_path, seconds=0.3)
    job = start(
        *pace.overrides,
        "run.steps=8",
        "evaluation.every=4",
        "evaluation.engines=1",
        f"evaluation.suites={{{', '.join(suites)}}}",
    )
    job.until_step(2)
    actors = json.loads((job.run / "status.json").read_text())["actors"]
    os.kill(next(a["pid"] for a in actors if a["name"] == "engine-1"), signal.SIGKILL)  # the reserved one
    pace.hurry()
    assert job.wait() == 0, job.log
    assert "engine 1 lost" in (job.run / "logs" / "controller.log").read_text()
    rows = read_metrics(job.run / "metrics.jsonl")
    assert rows[-1]["rollout/engine_restarts"] == 0, "the training's engine goes on"
    between = [row["eval/harder/version"] for row in rows if "eval/harder/version" in row]
    assert set(between) <= {2, 4, 6, 8}, "none where the steps were over before the evaluation was"
    assert all(row["step"] + 1 >= row.get("eval/harder/version", 0) for row in rows)
    harder_files = {
        int(p.stem.removeprefix("version-")) for p in (job.run / "eval" / "harder").glob("*.jsonl")
    }
    assert {0, 2, 8} <= harder_files <= {0, 2, 4, 6, 8} and set(between) <= harder_files
    assert len(list((job.run / "eval" / "harder" / "rollouts").glob("*.parquet"))) == len(harder_files)
    assert len(list((job.run / "eval" / "sums").glob("likelihood-*.jsonl"))) == 2
    lines = json.loads((job.run / "suites.json").read_text())
    assert {(line["suite"], line["metric"]) for line in lines} == {
        ("harder", "greedy"), ("harder", "pass@1"), ("sums", "bits/byte"),
    }  # fmt: skip
    assert all((line["first"], line["last"]) == (0, 8) for line in lines)
    assert "Suites, before and after" in job.log
