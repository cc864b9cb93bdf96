"""Exact allocation of rollouts over prompts of known pass rate (Knapsack RL, arXiv 2509.25849). Pure
functions.

See docs/methods/allocators.md#knapsack.
"""

import heapq

import numpy as np


def informative(n: int | np.ndarray, p: float | np.ndarray) -> np.ndarray:
    """P(a group of n holds both outcomes) = 1 - p^n - (1-p)^n; 0 for n < 2."""
    n, p = np.asarray(n, dtype=np.float64), np.asarray(p, dtype=np.float64)
    return np.where(n < 2, 0.0, 1.0 - p**n - (1.0 - p) ** n)


def information_gain(p: float | np.ndarray) -> np.ndarray:
    """First-order gain in success probability from one update, p (1-p)^2; largest at p = 1/3."""
    p = np.asarray(p, dtype=np.float64)
    return p * (1.0 - p) ** 2


def value(n: int | np.ndarray, p: float | np.ndarray) -> np.ndarray:
    """Return the value of n rollouts of a prompt of pass rate p."""
    return informative(n, p) * information_gain(p)


def marginal(n: int, p: float) -> float:
    """value(n + 1, p) - value(n, p) for n >= 1; strictly decreasing in n for 0 < p < 1, so the value is
    concave."""
    return (p**n * (1.0 - p) + (1.0 - p) ** n * p) * p * (1.0 - p) ** 2


def minority_cost(p: np.ndarray, *, confidence: float = 0.9) -> np.ndarray:
    """Rollouts until the rarer outcome was seen with the given probability: ln(1 - confidence) / ln(max(p,
    1-p)), 0 < p < 1."""
    return np.log1p(-confidence) / np.log(np.maximum(p, 1.0 - p))


def solve(p: np.ndarray, *, budget: int, floor: int, cap: int) -> np.ndarray:
    """[K] int64 rollouts in [floor, cap] with sum ``budget`` that maximise the total value of pass rates p
    [K].

    Greedy on the marginal value is optimal because the value is concave; ties go to the first prompt.
    O(budget log K).

    Raises:
        ValueError: if the budget lies outside [K * floor, K * cap].
    """
    check_budget(len(p), budget=budget, floor=floor, cap=cap)
    counts = [floor] * len(p)
    heap = [(-marginal(floor, rate), i) for i, rate in enumerate(p.tolist())] if cap > floor else []
    heapq.heapify(heap)
    for _ in range(budget - floor * len(p)):
        _, i = heap[0]
        counts[i] += 1
        if counts[i] < cap:
            heapq.heapreplace(heap, (-marginal(counts[i], float(p[i])), i))
        else:
            heapq.heappop(heap)
    return np.array(counts, dtype=np.int64)


def solve_published(p: np.ndarray, *, budget: int, floor: int, cap: int) -> np.ndarray:
    """As ``solve``, but with the released dynamic programme, which scores "no extra rollout" as 0 instead of
    value(floor).

    Its first extra rollout of a prompt is therefore overvalued, and the result can be worse; for comparisons
    with published runs only.
    """
    check_budget(len(p), budget=budget, floor=floor, cap=cap)
    extra, width = budget - floor * len(p), cap - floor
    best = np.full(extra + 1, -np.inf)
    best[0] = 0.0
    choices = np.zeros((len(p), extra + 1), dtype=np.int64)
    for i, rate in enumerate(p.tolist()):
        nxt = best.copy()
        gains = value(np.arange(floor, cap + 1), rate)
        for bought in range(1, min(width, extra) + 1):
            candidate = best[: extra + 1 - bought] + gains[bought]
            better = candidate > nxt[bought:]
            nxt[bought:][better] = candidate[better]
            choices[i, bought:][better] = bought
        best = nxt
    counts, left = np.full(len(p), floor, dtype=np.int64), extra
    for i in reversed(range(len(p))):
        counts[i] += choices[i, left]
        left -= int(choices[i, left])
    assert left == 0, "the published programme did not spend its budget"
    return counts


def check_budget(num_prompts: int, *, budget: int, floor: int, cap: int, name: str = "knapsack") -> None:
    """Raise ValueError, naming the allocator and the fix, if the budget cannot be spent within floor and
    cap."""
    low, high = num_prompts * floor, num_prompts * cap
    if budget < low:
        raise ValueError(
            f"{name}: {budget} rollouts for {num_prompts} prompts, but floor={floor} takes {low}: "
            "raise stream.rollouts_per_prompt or lower the allocator's floor"
        )
    if budget > high:
        raise ValueError(
            f"{name}: {budget} rollouts for {num_prompts} prompts, but cap={cap} allows {high}: "
            "lower stream.rollouts_per_prompt or raise the allocator's cap"
        )
