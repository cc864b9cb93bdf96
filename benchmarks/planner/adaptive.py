"""The allocation part of ``benchmarks/planner/``: gains over uniform k at equal tokens, and the
regret against an oracle."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.planner.arms import (
    adaptive,
    adaptive_online,
    adaptive_sequential,
    observed,
    oracle,
    uniform,
    uniform_sequential,
)
from benchmarks.planner.tasks import Tasks
from planner.estimators.bootstrap import Difference, paired_difference

ARMS = ("uniform", "parallel", "oracle", "oracle_after_probe", "sequential", "uniform_sequential", "online")
"""uniform: same k for all. parallel, sequential: the planner's two modes, after a probe that is paid and then
thrown away. The oracles are parallel. uniform_sequential: same cap for all, stopping at the first right
sample. online: sequential, the right answers of the probe kept."""


def run(
    tasks: Tasks, *, samples: float, probe: int, redraws: int, seed: int, note: Callable[[str], None]
) -> dict[str, Any]:
    """One budget.

    Args:
        tasks: Recorded outcomes.
        samples: Budget, as samples for each task on average; the probe's are paid from it.
        probe: Samples of each task that the planner sees first; its coverage is measured on the other
            outcomes only.
        redraws: Of the probe's outcomes. Gains are averaged over them before anything is resampled.
        seed: Of the redraws.
        note: Told what is done.
    """
    note(f"{tasks.name}: {samples:g} samples a task, {probe} of them probe")
    rng = np.random.default_rng(seed)
    budget, spent = samples * float(tasks.tokens.sum()), probe * float(tasks.tokens.sum())
    scores = {arm: np.zeros((redraws, len(tasks.n))) for arm in ARMS}
    for draw in range(redraws):
        right, rest = tasks.split(probe, rng)
        planner = observed(tasks, right, probe)
        ids = [str(i) for i in range(len(tasks.n))]
        posterior = planner.posteriors.of_prompts(ids, tasks.category.tolist())
        scores["uniform"][draw] = uniform(rest, budget)
        scores["parallel"][draw] = adaptive(rest, planner, budget - spent)
        scores["oracle"][draw] = oracle(rest, budget)
        scores["oracle_after_probe"][draw] = oracle(rest, budget - spent)
        scores["sequential"][draw] = adaptive_sequential(rest, posterior, budget - spent)
        scores["uniform_sequential"][draw] = uniform_sequential(tasks, budget)
        scores["online"][draw] = adaptive_online(rest, posterior, right, budget - spent)
    mean = {arm: values.mean(axis=0) for arm, values in scores.items()}
    return {
        "tasks": len(tasks.n),
        "samples_per_task": samples,
        "probe": probe,
        "coverage": {arm: float(values.mean()) for arm, values in mean.items()},
        "gain": _difference(mean["uniform"], mean["sequential"], tasks.problem),
        "gain_parallel": _difference(mean["uniform"], mean["parallel"], tasks.problem),
        "gain_beyond_stopping": _difference(mean["uniform_sequential"], mean["online"], tasks.problem),
        "regret_parallel": float((mean["oracle"] - mean["parallel"]).mean()),
        "regret_parallel_beyond_probe": float((mean["oracle_after_probe"] - mean["parallel"]).mean()),
        "regret_sequential": float((mean["oracle"] - mean["sequential"]).mean()),
    }


def _difference(before: np.ndarray, after: np.ndarray, problem: np.ndarray) -> dict[str, float]:
    """Mean gain with two paired 95% intervals: tasks resampled, and problems (with all their tasks)
    resampled."""
    clusters, code = np.unique(problem, return_inverse=True)
    size = np.bincount(code)
    assert (size == size[0]).all(), "every problem has as many tasks, so that means of means are means"
    by_task = paired_difference(before, after)
    by_problem: Difference = paired_difference(
        *(np.bincount(code, weights=x) / size for x in (before, after))
    )
    return {
        "value": by_task.value,
        "low": min(by_task.low, by_problem.low),
        "high": max(by_task.high, by_problem.high),
        "task_low": by_task.low,
        "problem_low": by_problem.low,
        "problems": len(clusters),
        "relative": by_task.value / float(before.mean()),
    }
