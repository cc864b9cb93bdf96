"""Run directories as runs leave them, made without one."""

import json
import time
from pathlib import Path
from typing import Any

import yaml

from rl.records.jsonl import JsonlWriter
from rl.records.metrics import MetricsWriter
from rl.records.owner import Owner
from rl.records.rundir import RunDir

CONFIG = {
    "run": {"name": "mine", "steps": 10},
    "rollout": {"top_p": 1.0, "max_tokens": 32},
    "evaluation": {"temperature": 1.0, "ks": [1, 2]},
    "learner": {"lr": 1e-3},
}


def make_run(
    parent: Path,
    name: str,
    *,
    steps: int = 4,
    step_s: float = 2.0,
    tokens: int = 1000,
    config: dict[str, Any] | None = None,
) -> Path:
    """A run of so many steps, each of ``step_s`` seconds and ``tokens`` tokens."""
    run = RunDir(parent / name).open()
    run.config.write_text(yaml.safe_dump(CONFIG | (config or {})))
    attempt = run.begin_attempt()
    metrics = MetricsWriter(run.metrics, attempt=attempt, restored_step=0)
    for step in range(steps):
        metrics.write(
            step,
            {
                "time/step_s": step_s,
                "rollout/total_tokens": (step + 1) * tokens,
                "cost/total_flops": (step + 1) * 1e9,
            },
        )
    metrics.close()
    run.close()
    return run.path


def evaluate(
    run: Path, version: int, right: list[int], *, n: int = 8, ids: str = "p", temperature: float = 1.0
) -> None:
    """Held-out counts of so many problems: ``right[i]`` of ``n`` completions were right."""
    rows = [
        {
            "version": version,
            "temperature": temperature,
            "id": f"{ids}{i}",
            "category": "sums",
            "difficulty": 1,
            "n": n,
            "c": c,
            "tokens": 10 * n,
            "unjudged": 0,
            "reward": c,
        }
        for i, c in enumerate(right)
    ]
    file = run / "eval" / f"version-{version:08d}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def status(run: Path, state: str, *, owner: Owner | None = None, **more: Any) -> None:
    """``status.json`` of a run whose process is this one, unless told."""
    now = time.time()
    facts = {
        **(owner or Owner.me()).as_json(),
        "attempt": 1,
        "state": state,
        "phase": "training",
        "phase_since": now - 60,
        "step": 4,
        "steps": 10,
        "eta_s": None,
        "started_at": now - 100,
        "updated_at": now,
        "loops": {},
        "actors": [],
        "last_error": None,
        "last_error_at": None,
    }
    (run / "status.json").write_text(json.dumps(facts | more))


def advise(run: Path, step: int, name: str, text: str) -> None:
    """A row of advice."""
    rows = JsonlWriter(run / "advisories.jsonl", attempt=1)
    rows.write({"step": step, "time": time.time(), "name": name, "text": text})
    rows.close()
