"""Ways to spend the same tokens on the same tasks: uniform k, the planner, an oracle that knows every p."""

from collections.abc import Callable

import numpy as np

from benchmarks.planner.tasks import Tasks
from planner.allocation import allocate_parallel
from planner.allocation.stopping import attempt_cap
from planner.belief.posterior import Posterior
from planner.planner import Planner, PlannerConfig
from planner.types import Query
from planner.verifiers.verifier import VerifierSpec
from rollout.statistics import StatisticsStore
from rollout.types import RolloutStat

KEY = "recorded"
CAP_MAX = 4096
_SHARP = 1e6
"""a + b of a posterior that stands for a known p."""


def uniform(tasks: Tasks, budget: float) -> np.ndarray:
    """[T] expected coverage of the same k for every task, one more for a random part of them, so that all
    tokens are spent."""
    share = budget / tasks.tokens.sum()
    k = np.minimum(np.full(len(tasks.n), int(share)), tasks.n)
    low, high = tasks.coverage(k), tasks.coverage(np.minimum(k + 1, tasks.n))
    return low + (share - int(share)) * (high - low)


def uniform_sequential(tasks: Tasks, budget: float) -> np.ndarray:
    """[T] the same cap for every task, stopping at the first right sample; caps mixed between two so that all
    tokens are spent."""
    most = min(int(tasks.n.min()), CAP_MAX)
    spent = (tasks.attempts(most) * tasks.tokens[:, None]).sum(axis=0)
    if spent[-1] <= budget:
        return tasks.coverage(np.full(len(tasks.n), most))
    low = int(np.searchsorted(spent, budget, side="right")) - 1
    share = (budget - spent[low]) / (spent[low + 1] - spent[low])
    first, second = (tasks.coverage(np.full(len(tasks.n), cap)) for cap in (low, low + 1))
    return first + share * (second - first)


def observed(tasks: Tasks, right: np.ndarray, probe: int) -> Planner:
    """A planner that saw ``probe`` samples of each task, ``right`` [T] of them right."""
    store = StatisticsStore([], sampling_key=KEY, discount=1.0)
    planner = Planner(store, config=PlannerConfig(k_max=int(tasks.n.min()) - probe))
    for i, count in enumerate(right.tolist()):
        planner.observe(
            RolloutStat(
                plan_step=0,
                prompt_id=str(i),
                category=str(tasks.category[i]),
                difficulty=0,
                sampling_key=KEY,
                num_rollouts=probe,
                num_correct=count,
                num_truncated=0,
                num_tokens=max(probe, round(probe * float(tasks.tokens[i]))),
                min_policy_version=0,
                max_policy_version=0,
                kept=True,
            )
        )
    return planner


def queries(tasks: Tasks) -> list[Query]:
    """One for each task."""
    return [
        Query(id=str(i), category=str(c), tokens=float(t))
        for i, (c, t) in enumerate(zip(tasks.category, tasks.tokens, strict=True))
    ]


def adaptive(tasks: Tasks, planner: Planner, budget: float) -> np.ndarray:
    """[T] coverage on ``tasks`` of the planner's parallel plan for ``budget`` tokens."""
    plan = planner.plan(queries(tasks), budget, mode="parallel", verifier=VerifierSpec())
    assert float((plan.k * tasks.tokens).sum()) <= budget * (1 + 1e-9)
    return tasks.coverage(np.minimum(plan.k, tasks.n))


def adaptive_sequential(
    tasks: Tasks, posterior: Posterior, budget: float, *, live: np.ndarray | None = None
) -> np.ndarray:
    """[T] coverage of the index policy, run until ``budget`` tokens are spent (in expectation over the
    recorded outcomes).

    ``live``: [T] tasks still to be solved; the others draw nothing.
    """
    open_tasks = np.ones(len(tasks.n), dtype=bool) if live is None else live

    def caps(log_price: float) -> np.ndarray:
        cap = attempt_cap(
            posterior.a, posterior.b, cost=np.exp(log_price) * tasks.tokens, zero=posterior.zero
        )
        return np.where(open_tasks, np.minimum(cap, min(int(tasks.n.min()), CAP_MAX)), 0).astype(np.int64)

    table, rows = tasks.attempts(min(int(tasks.n.min()), CAP_MAX)), np.arange(len(tasks.n))
    log_price = _cheapest(lambda x: float(table[rows, caps(x)] @ tasks.tokens) <= budget, -30.0, 0.0)
    return tasks.coverage(caps(log_price))


def adaptive_online(tasks: Tasks, posterior: Posterior, right: np.ndarray, budget: float) -> np.ndarray:
    """[T] as ``adaptive_sequential``, where a task that the probe solved is solved: nothing is thrown
    away."""
    solved = right > 0
    return np.where(solved, 1.0, adaptive_sequential(tasks, posterior, budget, live=~solved))


def oracle(tasks: Tasks, budget: float) -> np.ndarray:
    """[T] coverage of the parallel allocation that knows every task's share of right outcomes."""
    p = tasks.c / tasks.n
    safe = np.clip(p, 1e-9, 1 - 1e-9)
    k_max = int(tasks.n.min())
    chosen = allocate_parallel(
        safe * _SHARP, (1 - safe) * _SHARP, tasks.tokens, budget, weight=p > 0, k_max=k_max
    )
    return tasks.coverage(chosen.k)


def _cheapest(affordable: Callable[[float], bool], low: float, high: float) -> float:
    """Lowest affordable log price, to 1e-4."""
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if affordable(middle) else (middle, high)
    return high
