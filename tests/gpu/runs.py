"""A run of the debug config on a GPU, for tests that read what it left."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from rl.records.metrics import read_metrics

BF16_GAP = 0.1
"""Nats, mean over the probe tokens: bf16 on equal weights measured 0.03-0.05 on CPU."""


def rows_of(tmp_path: Path, *overrides: str, timeout_s: float = 540) -> list[dict[str, Any]]:
    """The metrics of a run that ended well, probed at every step, one row a step."""
    run = [f"run.dir={tmp_path}", "run.name=gpu", "rollout.probe_every=1"]
    done = subprocess.run(
        [sys.executable, "-m", "rl.cli", "train", "debug", *overrides, *run],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    rows: list[dict[str, Any]] = read_metrics(tmp_path / "gpu" / "metrics.jsonl")
    return rows


def assert_trained(rows: list[dict[str, Any]], *, steps: int, gap: float) -> None:
    """Every step was applied, and engine and learner agree on what was probed."""
    assert [row["step"] for row in rows] == list(range(steps))
    assert all(row["learner/applied"] == 1 for row in rows)
    gaps = [row["sync/probe_gap"] for row in rows if row.get("sync/probe_gap") is not None]
    assert gaps and max(gaps) <= gap
