"""The best option under limits, how sure the choice is, and what it gains on problems that did not make it.

See docs/methods/cost.md#joint-choice.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from planner.cost.pareto import pareto
from planner.joint.options import Options

REPLICATES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits that an option must keep, on average over problems; None = no limit."""

    cost: str = "usd"
    """Which of ``COSTS`` the budget is in, and what is saved where there is a target."""
    budget: float | None = None
    latency: float | None = None
    """Seconds."""
    target: float | None = None
    """Share of the problems to be solved: then the cheapest option is chosen, else the most accurate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A figure with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Choices made on random halves of the problems and scored on the others, against the best fixed choice:
    model, weight format, temperature and k chosen in the same way, but all samples at once at the recorded
    token limit."""

    accuracy: Band
    cost: Band
    accuracy_gain: Band
    """Joint minus fixed."""
    saving: Band
    """1 - cost of the joint choice / cost of the fixed one."""
    within_budget: float
    """Share of halves on which the joint choice kept all limits that it was made for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The outcome."""

    chosen: int
    fixed: int
    """Best fixed option on all problems."""
    accuracy: Band
    cost: Band
    latency: Band
    stability: tuple[tuple[int, float], ...]
    """(option, share of bootstrap draws of problems in which it is chosen), largest first."""
    front: tuple[int, ...]
    """Options on the Pareto front of cost and accuracy, cheapest first."""
    held_out: HeldOut | None
    """None where a half of the problems, or no fixed option, could keep the limits."""


def choose(
    options: Options, limits: Limits, weights: np.ndarray, mask: np.ndarray | None = None
) -> int | None:
    """Index of the best option on problems weighted by [P]; None where no option keeps the limits.

    Args:
        options: all of them.
        limits: to be kept by the weighted means.
        weights: not negative.
        mask: [O] which options take part.
    """
    share = weights / weights.sum()
    right, cost = options.right @ share, options.costs[limits.cost] @ share
    fits = np.ones(len(right), dtype=bool) if mask is None else mask.copy()
    if limits.budget is not None:
        fits &= cost <= limits.budget
    if limits.latency is not None:
        fits &= options.costs["latency"] @ share <= limits.latency
    if limits.target is not None:
        fits &= right >= limits.target - 1e-12
    if not fits.any():
        return None
    first, second = (cost, -right) if limits.target is not None else (-right, cost)
    order = np.lexsort((second, np.where(fits, first, np.inf)))
    return int(order[0])


def plan(options: Options, limits: Limits, *, replicates: int = REPLICATES, seed: int = 0) -> Plan:
    """Choose on all problems; bootstrap draws of problems say how sure, random halves what it gains.

    Raises:
        ValueError: no option keeps the limits; says how near one comes.
    """
    size = options.right.shape[1]
    everyone = np.ones(size)
    chosen = choose(options, limits, everyone)
    if chosen is None:
        raise ValueError(_nothing_fits(options, limits))
    fixed_mask = np.array([o.full_length and o.strategy != "sequential" for o in options.options])
    fixed = choose(options, limits, everyone, fixed_mask)
    rng = np.random.default_rng(seed)
    draws = [
        np.bincount(rng.integers(0, size, size), minlength=size).astype(float) for _ in range(replicates)
    ]
    picks = Counter(pick for draw in draws if (pick := choose(options, limits, draw)) is not None)
    cost, latency = options.costs[limits.cost], options.costs["latency"]
    return Plan(
        chosen=chosen,
        fixed=-1 if fixed is None else fixed,
        accuracy=_over(options.right[chosen], draws),
        cost=_over(cost[chosen], draws),
        latency=_over(latency[chosen], draws),
        stability=tuple((i, count / replicates) for i, count in picks.most_common(5)),
        front=_front(options, limits.cost),
        held_out=None if fixed is None else _held_out(options, limits, fixed_mask, replicates, rng),
    )


def _front(options: Options, cost: str) -> tuple[int, ...]:
    price = options.costs[cost].mean(axis=1)
    on = np.nonzero(pareto(price, options.right.mean(axis=1)))[0]
    return tuple(int(i) for i in on[np.argsort(price[on], kind="stable")])


def _held_out(
    options: Options, limits: Limits, fixed_mask: np.ndarray, replicates: int, rng: np.random.Generator
) -> HeldOut | None:
    size, found, kept = options.right.shape[1], [], []
    cost = options.costs[limits.cost]
    for _ in range(replicates):
        order = rng.permutation(size)
        halves = order[: size // 2], order[size // 2 :]
        # Drawn again with replacement, so that the halves' own luck is in the interval.
        first, second = (
            np.bincount(rng.choice(half, len(half)), minlength=size).astype(float) for half in halves
        )
        joint, fixed = choose(options, limits, first), choose(options, limits, first, fixed_mask)
        if joint is None or fixed is None:
            continue
        share = second / second.sum()
        spent, rival = float(cost[joint] @ share), float(cost[fixed] @ share)
        scores = float(options.right[joint] @ share), float(options.right[fixed] @ share)
        found.append((scores[0], spent, scores[0] - scores[1], 1 - spent / rival))
        mask = np.zeros(len(options.options), dtype=bool)
        mask[joint] = True
        kept.append(choose(options, limits, second, mask) is not None)
    if len(found) < replicates / 2:
        return None
    accuracy, spent_band, gain, saving = (_band(np.array(column)) for column in zip(*found, strict=True))
    return HeldOut(
        accuracy=accuracy,
        cost=spent_band,
        accuracy_gain=gain,
        saving=saving,
        within_budget=float(np.mean(kept)),
    )


def _over(values: np.ndarray, draws: list[np.ndarray]) -> Band:
    """Mean over problems [P], interval over draws of them."""
    found = np.array([values @ draw / draw.sum() for draw in draws])
    low, high = np.quantile(found, [0.025, 0.975])
    return Band(value=float(values.mean()), low=float(low), high=float(high))


def _band(values: np.ndarray) -> Band:
    low, high = np.quantile(values, [0.025, 0.975])
    return Band(value=float(np.median(values)), low=float(low), high=float(high))


def _nothing_fits(options: Options, limits: Limits) -> str:
    right, cost = options.right.mean(axis=1), options.costs[limits.cost].mean(axis=1)
    latency = options.costs["latency"].mean(axis=1)
    return (
        "no option keeps all limits: the cheapest costs"
        f" {cost.min():.4g} ({limits.cost}), the fastest takes {latency.min():.4g} s, the most accurate"
        f" solves {right.max():.3f}; loosen --budget, --latency or --target"
    )
