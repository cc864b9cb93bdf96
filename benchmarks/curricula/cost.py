"""The cost layer of ``benchmarks/curricula/``: choosing and allocating one step, against the size
of the pool.

python -m benchmarks.curricula.cost SIZE OBSERVED PLANS     # one pool, in a process of its own: a JSON line
"""

import json
import resource
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from curricula import build_curriculum
from curricula.pool import PromptPool
from rl.commands.curriculum.simulate import simulated_config
from rollout.statistics import StatisticsStore
from rollout.types import RolloutStat, SamplingConfig

BUDGET, PROMPTS = 16_384, 1_024
PRESETS = ("uniform", "knapsack", "sec+knapsack", "dots+knapsack", "prioritized+knapsack", "greso+knapsack")
"""From no weights at all to weights of every prompt of the pool."""
CATEGORIES = 20
MOST_OBSERVED = 1_000_000
SAMPLING = SamplingConfig()


def run(*, sizes: tuple[int, ...], plans: int, note: Callable[[str], None]) -> dict[str, Any]:
    """``{by_size: {size: {...}}, choose_1e6_ms}``, each size in its own process."""
    out: dict[str, Any] = {"budget": BUDGET, "prompts": PROMPTS, "plans": plans, "by_size": {}}
    for size in sizes:
        note(f"cost of a pool of {size:,}")
        command = [
            sys.executable,
            "-m",
            "benchmarks.curricula.cost",
            str(size),
            str(min(size, MOST_OBSERVED)),
            str(plans),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        out["by_size"][str(size)] = json.loads(done.stdout.splitlines()[-1])
    million = out["by_size"].get("1000000")
    if million is not None:
        out["choose_1e6_ms"] = max(preset["median"] for preset in million["plan_ms"].values())
        out["choose_1e6_peak_mib"] = max(million["plan_peak_mib"].values())
    return out


def measure(size: int, observed: int, plans: int) -> dict[str, Any]:
    """Milliseconds and peak MiB (beyond pool and statistics) of a plan, by preset; resident MiB of the whole
    process."""
    pool = _pool(size)
    store = _store(pool, observed)
    times: dict[str, dict[str, float]] = {}
    peaks: dict[str, float] = {}
    for preset in PRESETS:
        config = simulated_config("quickstart", preset, [], steps=plans + 1, seed=0)
        stack = build_curriculum(config.curriculum.model_dump(), pool=pool, store=store, seed=0)
        prompts = min(PROMPTS, size // 2)
        more = {"total_steps": plans + 1, "num_prompts": prompts, "rollout_budget": BUDGET}
        taken = []
        for step in range(plans):
            began = time.perf_counter()
            stack.plan(step, **more)
            taken.append(1e3 * (time.perf_counter() - began))
        times[preset] = {"min": min(taken), "median": float(np.median(taken)), "max": max(taken)}
        tracemalloc.start()
        stack.plan(plans, **more)
        peaks[preset] = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return {"observed": observed, "plan_ms": times, "plan_peak_mib": peaks, "process_resident_mib": resident}


def _pool(size: int) -> PromptPool:
    codes = (np.arange(size) % CATEGORIES).astype(np.int32)
    return PromptPool(
        ids=tuple(f"p{i}" for i in range(size)),
        category_names=tuple(f"c{code:02d}" for code in range(CATEGORIES)),
        categories=codes,
        difficulties=codes,
        by_category=tuple(np.flatnonzero(codes == code) for code in range(CATEGORIES)),
    )


def _store(pool: PromptPool, observed: int) -> StatisticsStore:
    """Every prompt up to ``observed`` seen once, in groups of 16: from all wrong to all right, under ten
    policy versions."""
    store = StatisticsStore(pool.ids, sampling_key=SAMPLING.key)
    for i, correct in enumerate(np.random.default_rng(0).integers(0, 17, observed).tolist()):
        store.add(
            RolloutStat(
                plan_step=0,
                prompt_id=pool.ids[i],
                category=pool.category_names[i % CATEGORIES],
                difficulty=0,
                sampling_key=SAMPLING.key,
                num_rollouts=16,
                num_correct=correct,
                num_truncated=0,
                num_tokens=160,
                min_policy_version=i % 10,
                max_policy_version=i % 10,
                kept=True,
            )
        )
    return store


if __name__ == "__main__":
    print(json.dumps(measure(*(int(float(argument)) for argument in sys.argv[1:4]))))
