"""The speed part of ``benchmarks/planner/``: a million queries, and what store and planner add to
a training step."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.lib.common import spread
from planner.allocation import Queries, allocate_parallel, allocate_sequential
from planner.planner import Planner
from rollout.statistics import StatisticsStore
from rollout.types import RolloutStat

QUICKSTART_STEP_S = 0.9
PROMPTS, ROLLOUTS, POOL, STEPS, EVERY = 32, 16, 4_000, 120, 20


def allocation(*, queries: int, repeats: int) -> dict[str, Any]:
    """Seconds to divide a budget over queries that all have different posteriors and costs: wall clock and
    CPU."""
    rng = np.random.default_rng(0)
    a, b, cost = (
        rng.gamma(0.5, 3, queries) + 0.05,
        rng.gamma(1, 5, queries) + 0.1,
        rng.uniform(20, 400, queries),
    )
    out: dict[str, Any] = {"queries": queries}
    for samples in (1, 8, 64):
        budget = samples * float(cost.sum())
        spend = partial(allocate_parallel, a, b, cost, budget)
        out[f"parallel_{samples}"] = _timed(spend, repeats)
    budget = 8 * float(cost.sum())
    out["sequential_8"] = _timed(
        lambda: allocate_sequential(Queries(a, b, cost), budget), max(1, repeats // 3)
    )
    return out


def streaming(*, repeats: int) -> dict[str, Any]:
    """Milliseconds that a step of the quickstart spends on counting its groups and on planning targets every
    20 steps.

    By the wall clock, which on a busy machine counts the waiting too, and in CPU time.
    """
    return {"wall": _streaming(repeats, time.perf_counter), "cpu": _streaming(repeats, time.process_time)}


def _streaming(repeats: int, clock: Callable[[], float]) -> dict[str, Any]:
    count, plan = [], []
    for seed in range(repeats):
        stats = _stats(np.random.default_rng(seed))
        store = StatisticsStore([f"p{i}" for i in range(POOL)], sampling_key="t1")
        planner = Planner(store)
        counting, planning = 0.0, 0.0
        for step in range(STEPS):
            began = clock()
            for stat in stats[step]:
                store.add(stat)
            counting += clock() - began
            began = clock()
            planner.posteriors.refresh()
            if (step + 1) % EVERY == 0:
                planner.train_targets(256, group_size=ROLLOUTS)
            planning += clock() - began
        count.append(1e3 * counting / STEPS)
        plan.append(1e3 * planning / STEPS)
    both = [c + p for c, p in zip(count, plan, strict=True)]
    return {
        "count_ms": spread(count),
        "plan_ms": spread(plan),
        "share_of_step": {name: value / (1e3 * QUICKSTART_STEP_S) for name, value in spread(both).items()},
        "step_s": QUICKSTART_STEP_S,
    }


def _timed(function: Any, repeats: int) -> dict[str, dict[str, float]]:
    wall, cpu = [], []
    for _ in range(repeats):
        began, began_cpu = time.perf_counter(), time.process_time()
        function()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - began_cpu)
    return {"wall_s": spread(wall), "cpu_s": spread(cpu)}


def _stats(rng: np.random.Generator) -> list[list[RolloutStat]]:
    """[STEPS][PROMPTS] groups of a pool whose prompts differ in difficulty, six categories."""
    p = rng.beta(0.7, 0.9, POOL)
    return [
        [_stat(int(i), step, float(p[i]), rng) for i in rng.integers(0, POOL, PROMPTS)]
        for step in range(STEPS)
    ]


def _stat(prompt: int, step: int, p: float, rng: np.random.Generator) -> RolloutStat:
    right = int(rng.binomial(ROLLOUTS, p))
    lengths = rng.integers(5, 60, ROLLOUTS).tolist()
    return RolloutStat(
        plan_step=step,
        prompt_id=f"p{prompt}",
        category=f"c{prompt % 6}",
        difficulty=0,
        sampling_key="t1",
        num_rollouts=ROLLOUTS,
        num_correct=right,
        num_truncated=0,
        num_tokens=sum(lengths),
        min_policy_version=step,
        max_policy_version=step,
        kept=True,
        correct_lengths=tuple(lengths[:right]),
        wrong_lengths=tuple(lengths[right:]),
    )
