"""The ledger of real runs: every finished run of ``t2rl train curriculum_study`` is one row of figures,
committed with the results.

A run that the ledger holds is not trained again, whatever happened to its directory: the comparison is made
over weeks and machines (learning figures do not depend on the machine's load; seconds do, and are marked by
the load they were measured under).
"""

import hashlib
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lib.common import CONSOLE, RESULTS
from benchmarks.lib.process_tree import run_logged
from planner.estimators.pass_at_k import pass_at_k
from rl.config.load import load_config
from rl.records.metrics import read_metrics
from rl.run.prepare.inputs import locate_model
from rl.views.evaluations import read_counts

ROOT = Path(__file__).parents[2]
LEDGER = RESULTS / "curricula_runs.jsonl"
CONFIG = "curriculum_study"
RATIOS = ("effective_gradient_ratio", "effective_prompt_ratio", "all_negative_ratio", "all_positive_ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """One run, read from the ledger."""

    arm: str
    seed: int
    split: str
    facts: dict[str, Any]

    @property
    def tokens(self) -> np.ndarray:
        """[E] rollout tokens spent before each evaluation."""
        return np.array([point["tokens"] for point in self.facts["curve"]], dtype=np.float64)

    @property
    def steps(self) -> np.ndarray:
        """[E] optimizer steps before each evaluation."""
        return np.array([point["step"] for point in self.facts["curve"]], dtype=np.float64)

    def per_problem(self, k: int = 1) -> np.ndarray:
        """[E, M] pass@k of each evaluation and problem, problems in order of their ids."""
        n = self.facts["samples"]
        counts = np.array([[int(digit, 36) for digit in point["correct"]] for point in self.facts["curve"]])
        return pass_at_k(np.full_like(counts, n), counts, k)

    def curve(self, k: int = 1) -> np.ndarray:
        """[E] mean pass@k."""
        return self.per_problem(k).mean(axis=1)


def read_ledger(path: Path = LEDGER) -> list[dict[str, Any]]:
    """Its rows, oldest first."""
    return (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    )


def finished(
    arm: str, overrides: Sequence[str], *, seed: int, split: str, keep: bool = False, ledger: Path = LEDGER
) -> Finished:
    """The run of this config: from the ledger, or trained now and added to it.

    Raises:
        RuntimeError: the run failed; with the end of its log.
    """
    every = [*overrides, f"run.seed={seed}", f"evaluation.split={split}"]
    config = load_config(CONFIG, every)
    # Without defaults, so that a field that is added to the config later does not disown what was measured
    # before it.
    chosen = json.dumps(config.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
    key = hashlib.sha256((chosen + locate_model(config).name).encode()).hexdigest()[:12]
    row = next((row for row in read_ledger(ledger) if row["key"] == key), None)
    if row is None:
        row = {
            "key": key,
            "arm": arm,
            "seed": seed,
            "split": split,
            "overrides": list(overrides),
            **_train(every, key, keep=keep),
        }
        ledger.parent.mkdir(parents=True, exist_ok=True)
        with ledger.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    return Finished(arm=arm, seed=seed, split=split, facts=row)


def _train(overrides: Sequence[str], key: str, *, keep: bool) -> dict[str, Any]:
    home = ROOT / "runs" / "benchmarks" / "curricula" / key
    shutil.rmtree(home, ignore_errors=True)  # what an interrupted call left
    home.mkdir(parents=True)
    began, load = time.monotonic(), os.getloadavg()[0]
    command = [sys.executable, "-m", "rl.cli", "train", CONFIG, *overrides, f"run.dir={home}", "run.name=run"]
    CONSOLE.print(f"training {' '.join(overrides)}, see {home / 'log'}", highlight=False)
    run_logged(command, home / "log")
    facts = _read(home / "run")
    shutil.rmtree(home / "run" / "checkpoints", ignore_errors=True)
    shutil.rmtree(home / "run" / "model", ignore_errors=True)
    if not keep:
        shutil.rmtree(home)
    load = round((load + os.getloadavg()[0]) / 2, 1)
    return {
        "finished": time.strftime("%Y-%m-%d %H:%M"),
        "seconds": round(time.monotonic() - began, 1),
        "load": load,
        **facts,
    }


def _read(run: Path) -> dict[str, Any]:
    rows = read_metrics(run / "metrics.jsonl")
    generated = np.array([row["rollout/rollouts"] for row in rows], dtype=np.float64)
    spent = {0: 0, **{index + 1: row["rollout/total_tokens"] for index, row in enumerate(rows)}}
    curve = []
    samples = 0
    for path in sorted((run / "eval").glob("version-*.jsonl")):
        counts = next(c for c in read_counts(path, max_tokens=1, top_p=1) if c.sampling.temperature > 0)
        version = int(path.stem.split("-")[1])
        ordered = sorted(counts.rows, key=lambda row: str(row["id"]))
        samples = ordered[0]["n"]
        assert all(row["n"] == samples < 36 for row in ordered), "one count is one digit of base 36"
        correct = "".join(np.base_repr(row["c"], 36) for row in ordered)
        curve.append({"step": version, "tokens": spent[version], "correct": correct})
    return {
        "steps": len(rows),
        "tokens": rows[-1]["rollout/total_tokens"],
        "rollouts": int(generated.sum()),
        "train_s": round(sum(row["time/step_s"] for row in rows), 1),
        "length_last": round(statistics.mean(row["rollout/length_mean_tokens"] for row in rows[-20:]), 2),
        "samples": samples,
        **{
            name: round(float(np.average([row[f"curriculum/{name}"] for row in rows], weights=generated)), 4)
            for name in RATIOS
            if f"curriculum/{name}" in rows[0]
        },
        "curve": curve,
    }
