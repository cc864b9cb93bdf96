"""A finished run under chaos, looked at from its files alone: was every planned group trained exactly once,
from weights that were fresh enough, and is anything left over?"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.reliability.ground import SHARED_MEMORY, members
from rl.records.jsonl import read_jsonl
from rl.records.metrics import read_metrics
from rl.records.rollouts.files import live_files, rollout_files, starts_of
from rl.records.rundir import RunDir
from rl.run.lineage import read_lineage
from rl.stream.plans import MAX_GROUPS_PER_ROUND, MAX_ROUNDS, UNJUDGED, make_group_id
from rl.views.evaluations import evaluation_file, read_counts

TORCH_CACHE = "torchinductor_"
"""What torch compiles for this user, kept for the next program: it makes the folder when it is imported."""
PARTIAL = re.compile(r"tmp-step-|\.tmp$|^\.owner")
"""Names of what a run must not leave in its directory."""


def groups(run: RunDir, *, steps: int, prompts: int) -> dict[str, Any]:
    """Planned groups against what was trained in the final lineage.

    A group that nobody could judge is dropped, and said so: it is neither lost nor doubled.
    """
    lineage = read_lineage(run.trained_groups)
    trained = Counter(row["group_id"] for rows in lineage.values() for row in rows)
    planned = {make_group_id(step, 0, place) for step in range(steps) for place in range(prompts)}
    misplaced = [
        row["group_id"]
        for step, rows in lineage.items()
        for row in rows
        if row["group_id"] not in planned or row["group_id"] < make_group_id(step, 0, 0)
    ]
    seen = Counter(row["prompt_id"] for rows in lineage.values() for row in rows)
    dropped = _dropped(run)
    missing = Counter(group // (MAX_ROUNDS * MAX_GROUPS_PER_ROUND) for group in planned - trained.keys())
    lost = {step: count - dropped.get(step, 0) for step, count in missing.items()}
    return {
        "planned": len(planned),
        "trained": sum(trained.values()),
        "dropped_unjudged": sum(min(count, dropped.get(step, 0)) for step, count in missing.items()),
        "lost": sum(max(0, count) for count in lost.values()),
        "doubled": sum(count - 1 for count in trained.values()),
        "of_other_plans": len(misplaced),
        "prompts_twice": sum(count - 1 for count in seen.values()),
    }


def _dropped(run: RunDir) -> dict[int, int]:
    """Step -> groups of the lineage that nobody could judge."""
    rows = read_metrics(run.metrics)
    return {row["step"]: int(row.get(f"rollout/dropped_{UNJUDGED}", 0)) for row in rows}


def rollouts(run: RunDir, *, steps: int) -> dict[str, int]:
    """The kept rollouts of the lineage: none twice, none of no step."""
    files = live_files(rollout_files(run.rollouts), starts_of(read_jsonl(run.attempts)))
    keys: Counter[tuple[int, int]] = Counter()
    for file in files:
        table = pq.read_table(file.path, columns=["group_id", "index"])
        keys.update(zip(table["group_id"].to_pylist(), table["index"].to_pylist(), strict=True))
    return {
        "kept": sum(keys.values()),
        "twice": sum(count - 1 for count in keys.values()),
        "steps_without": steps - len({file.number for file in files}),
    }


def bounds(run: RunDir) -> dict[str, float]:
    """The largest staleness and probe gap of all attempts, superseded ones included."""
    rows = [row for row in read_jsonl(run.metrics) if "step" in row]
    stale = [row["buffer/staleness_max"] for row in rows if row.get("buffer/staleness_max") is not None]
    gaps = [row["sync/probe_gap"] for row in rows if row.get("sync/probe_gap") is not None]
    negative = sum(row.get("time/step_s", 0) < 0 or row.get("time/train_s", 0) < 0 for row in rows)
    live = len(read_metrics(run.metrics))
    return {
        "staleness_max": max(stale),
        "probe_gap_max": max(gaps),
        "negative_times": negative,
        "rows": live,
    }


def curve(run: RunDir, *, steps: int, windows: int, sampling: dict[str, Any]) -> dict[str, Any]:
    """Mean reward of each stretch of steps, and held-out pass@1 before and after."""
    rewards: dict[int, float] = {
        row["step"]: row["reward/mean"]
        for row in read_metrics(run.metrics)
        if row.get("reward/mean") is not None
    }
    edges = np.linspace(0, steps, windows + 1).astype(int)
    means = [
        float(np.mean([rewards[s] for s in range(a, b) if s in rewards] or [math.nan]))
        for a, b in itertools.pairwise(edges)
    ]
    held = {}
    for version in (0, steps):
        counts = read_counts(evaluation_file(run.eval, version), **sampling)
        held[version] = next(c.pass_rate for c in counts if not c.greedy)
    return {"reward": [round(mean, 4) for mean in means], "before": held[0], "after": held[steps]}


def leftovers(namespace: str, run: RunDir, temporary: Path) -> list[str]:
    """Processes, shared memory, Ray's sessions and other temporary files, partial files of the run."""
    found = []
    for process in members(namespace):
        found.append(f"process {process.pid} ({process.name()}, {process.status()})")
    found += [f"{SHARED_MEMORY}/{name}" for name in names_in(SHARED_MEMORY)]
    found += [f"temporary {name}" for name in names_in(temporary) if not name.startswith(TORCH_CACHE)]
    found += [
        f"run directory: {path.relative_to(run.path)}"
        for path in sorted(run.path.rglob("*"))
        if PARTIAL.search(path.name)
    ]
    return found


def names_in(folder: Path) -> list[str]:
    """In order."""
    return sorted(path.name for path in folder.iterdir())


def band(values: Sequence[float]) -> tuple[float, float]:
    """In which one more undisturbed run lies with 95%: Student's interval for a further value of the same
    normal distribution."""
    from scipy.stats import t

    count = len(values)
    half = float(t.ppf(0.975, count - 1)) * float(np.std(values, ddof=1)) * math.sqrt(1 + 1 / count)
    return float(np.mean(values)) - half, float(np.mean(values)) + half
