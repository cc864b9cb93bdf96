"""Run directories as the records write them, with made numbers."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from rl.records.jsonl import JsonlWriter
from rl.records.metrics import MetricsWriter
from rl.records.rollouts.schema import schema

CATEGORIES = ("gcd", "sorting")
CONFIG: dict[str, Any] = {
    "run": {"name": "made", "dir": "runs", "seed": 0, "steps": 40},
    "task": {"kind": "reasoning_gym", "style": "compact"},
    "model": {"kind": "recipe", "recipe": {"name": "tiny"}},
    "algorithm": {"name": "grpo", "advantage": "grpo"},
    "curriculum": {"name": "uniform"},
    "rollout": {"top_p": 1.0, "max_tokens": 64},
    "learner": {"lr": 4e-4},
    "evaluation": {"temperature": 1.0, "ks": [1, 4], "greedy": True},
}


def made_run(path: Path, *, steps: int = 40, every: int = 20, lr: float = 4e-4, seed: int = 0) -> Path:
    """A finished run, evaluated every so many steps; the same arguments give the same files."""
    (path / "eval").mkdir(parents=True)
    config = {**CONFIG, "learner": {"lr": lr}, "run": {**CONFIG["run"], "name": path.name, "steps": steps}}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    attempts = JsonlWriter(path / "attempts.jsonl", attempt=1, fsync_every=0)
    attempts.write({"pid": 1, "started_at": 1.8e9})
    attempts.close()
    rng = np.random.default_rng(seed)
    metrics = MetricsWriter(path / "metrics.jsonl", attempt=1, fsync_every=0)
    choices = JsonlWriter(path / "curriculum.jsonl", attempt=1, fsync_every=0)
    for step in range(steps):
        metrics.write(step, metric_row(step, steps, rng))
        choices.write(choice_row(step, rng))
    metrics.close()
    choices.close()
    for version in range(0, steps + 1, every):
        write_evaluation(path, version, 0.3 + 0.4 * version / steps, rng)
    return path


def metric_row(step: int, steps: int, rng: np.random.Generator) -> dict[str, float]:
    """The figures of one step; the pass rate rises from .3 to .7."""
    rate = 0.3 + 0.4 * step / steps + float(rng.normal(0, 0.03))
    return {
        "reward/mean": rate,
        "reward/std": 0.5,
        "reward/pass_rate": rate,
        "reward/accuracy": rate,
        "reward/format": min(1.0, rate + 0.2),
        "reward/completions": 64 * (step + 1),
        "reward/length_corr": -0.1,
        "reward/reason_no_answer": 0.05,
        "reward/battery_tried": 7,
        "reward/battery_accepted": 0,
        "loss/entropy": 1 / (1 + step / 20),
        "loss/kl_behavior_k3": 0.001,
        "learner/logprob_gap": 0.004,
        "learner/grad_norm": 0.3,
        "learner/zero_advantage_frac": 0.3,
        "rollout/rollouts": 64,
        "rollout/groups": 8,
        "rollout/groups_dropped": 2,
        "rollout/dropped_all_wrong": 2,
        "rollout/tokens": 1000,
        "rollout/total_tokens": 1000 * (step + 1),
        "rollout/tokens_per_s": 500.0,
        "rollout/length_mean_tokens": 16.0,
        "rollout/truncated_share": 0.05,
        "buffer/staleness_mean": 1.0,
        "buffer/staleness_max": 1,
        "buffer/staleness_in_flight_mean": 0.25,
        "buffer/staleness_in_queue_mean": 0.75,
        "sync/probe_gap": 1e-6,
        "sync/push_s": 0.01,
        "time/step_s": 2.0,
        "time/learner_wait_s": 0.5,
        "time/train_s": 1.2,
        "time/publish_s": 0.1,
        "time/save_s": 0.0,
        "time/learner_idle_share": 0.25,
        "curriculum/effective_gradient_ratio": 0.7,
    }


def choice_row(step: int, rng: np.random.Generator) -> dict[str, Any]:
    """Two categories with equal shares."""
    counts = {name: [4, 32, int(rng.integers(0, 33)), 3, 4, 500] for name in CATEGORIES}
    return {
        "step": step,
        "refill_rounds": 0,
        "categories": counts,
        "group_sizes": {"8": 8},
        "dropped": {"all_wrong": 2},
    }


def write_evaluation(path: Path, version: int, rate: float, rng: np.random.Generator) -> None:
    """Counts of 20 problems, at temperature 1 and greedily."""
    with (path / "eval" / f"version-{version:08d}.jsonl").open("w") as out:
        for temperature, n in ((1.0, 4), (0.0, 1)):
            for problem in range(20):
                c = int(rng.binomial(n, rate))
                row = {
                    "version": version,
                    "temperature": temperature,
                    "id": f"test/{problem}",
                    "category": CATEGORIES[problem % 2],
                    "difficulty": 1 + problem % 3,
                    "n": n,
                    "c": c,
                    "tokens": 16 * n,
                    "unjudged": 0,
                    "reward": float(c),
                }
                out.write(json.dumps(row) + "\n")


def numbers(values: Any) -> list[float]:
    """The values of a plotly trace that are numbers."""
    return [float(v) for v in values if v is not None and math.isfinite(float(v))]


def made_rollouts(
    path: Path, *, steps: int = 40, groups: int = 4, size: int = 4, tokens: bool = False, words: int = 12
) -> None:
    """Rollouts of every step and of two evaluations; every prompt comes again after ten steps."""
    rng = np.random.default_rng(7)
    for step in range(steps):
        rows = [
            rollout_row(step, group, index, rng, tokens=tokens, words=words)
            for group in range(groups)
            for index in range(size)
        ]
        write_rollouts(path / f"rollouts/step-{step:08d}.attempt-001.parquet", rows, tokens=tokens)
    for version in (0, steps):
        rows = [
            {**rollout_row(version, problem, index, rng, words=words), "prompt_id": f"test/{problem}"}
            for problem in range(6)
            for index in range(4)
        ]
        write_rollouts(path / f"eval/rollouts/version-{version:08d}.attempt-001.parquet", rows, tokens=False)


def write_rollouts(file: Path, rows: list[dict[str, Any]], *, tokens: bool) -> None:
    """One file, as the records write it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema(tokens=tokens)), file, compression="zstd")


def rollout_row(
    step: int, group: int, index: int, rng: np.random.Generator, *, tokens: bool = False, words: int = 12
) -> dict[str, Any]:
    """A sum with a right answer in every second rollout; wrong ones are twice as long."""
    right = bool(index % 2)
    prompt = 10 * (step % 10) + group
    text = " ".join(f"w{n}" for n in rng.integers(0, 500, words if right else 2 * words))
    length = words if right else 2 * words
    row = {
        "attempt": 1,
        "step": step,
        "group_id": 1000 * step + group,
        "index": index,
        "prompt_id": f"train/{prompt}",
        "category": CATEGORIES[group % 2],
        "difficulty": 1 + group % 3,
        "prompt": f"Add up {prompt} and {prompt}.",
        "completion": f"{text} answer {2 * prompt if right else 'unknown'}",
        "reward": float(right),
        "components": [{"name": "accuracy", "value": float(right)}],
        "reason": "equal" if right else "no answer",
        "failure": "",
        "judged": True,
        "correct": right,
        "kept": group != 0,
        "decision": "" if group else "all_wrong",
        "trained": group != 0,
        "advantage": 0.5 if right else -0.5,
        "length": length,
        "prompt_length": 6,
        "finish_reason": "stop" if right else "length",
        "version_min": max(0, step - 1),
        "version_max": step,
        "staleness": 1,
        "gap_mean": 0.01,
        "gap_max": 0.1 + 0.01 * index,
        "temperature": 1.0,
    }
    if tokens:
        row |= {
            "token_ids": [int(n) for n in rng.integers(0, 26, length)],
            "token_versions": [step] * length,
            "logprobs": [-0.5] * length,
            "learner_logprobs": [-0.25] * length,
            "token_advantages": [row["advantage"]] * length,
        }
    return row
