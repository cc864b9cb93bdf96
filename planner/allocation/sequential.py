"""Sequential allocation: draw until the verifier accepts, at most cap times.

A success retires its query and every failure lowers its index w a / ((a+b+j) c), so drawing the live query
with the largest index is optimal for equal costs (exchange argument) and, for unequal ones, under a budget of
expected tokens. At a token price lambda the index rule is a cap on attempts in closed form; the price is the
one that spends the budget in expectation.

See docs/methods/allocation.md#sequential-allocation.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from planner.allocation.items import Items
from planner.allocation.parallel import K_MAX
from planner.allocation.quadrature import QuadratureCaps
from planner.allocation.stopping import Outcome, attempt_cap, outcome
from planner.verifiers.verifier import VerifierSpec

_SAMPLE = 20_000
_RESOLUTION = 1e-9
_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Queries:
    """The beliefs about n queries, and what is at stake with each; a scalar holds for all of them."""

    a: ArrayLike
    """[n] posterior successes, > 0."""
    b: ArrayLike
    """[n] posterior failures, > 0."""
    cost: ArrayLike
    """[n] tokens of a right sample (of any, unless ``cost_wrong`` is given)."""
    _: KW_ONLY
    cost_wrong: ArrayLike | None = None
    """[n] tokens of a wrong sample; None = ``cost``."""
    prefill: ArrayLike = 0.0
    """[n] tokens paid once."""
    weight: ArrayLike = 1.0
    """[n] value of a right answer."""
    loss: ArrayLike = 0.0
    """[n] of a wrong answer returned."""
    zero: ArrayLike = 0.0
    """[n] probability that p is 0 (posterior.zero)."""
    cap_min: ArrayLike = 0
    """[n] attempts that may be made whatever they are worth (cold start)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialAllocation:
    """At most how many attempts each query gets, and what comes of them."""

    cap: np.ndarray
    """[n] int64."""
    price: float
    """Value per token at which the budget is spent; 0 if it pays for every attempt worth making."""
    tokens: np.ndarray
    """[n] expected, prefill included; their sum is at most the budget."""
    correct: np.ndarray
    """[n] probability that a right answer is returned."""
    wrong: np.ndarray
    """[n] probability that a wrong one is."""
    attempts: np.ndarray
    """[n] expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    """Checked columns."""

    items: Items
    weight: np.ndarray
    loss: np.ndarray
    cost_wrong: np.ndarray
    verifier: VerifierSpec
    floor: np.ndarray
    zero: np.ndarray
    table: QuadratureCaps | None

    def caps(self, price: float) -> np.ndarray:
        """[n] attempts worth making at this price."""
        items = self.items
        cost, wrong = price * items.cost, price * self.cost_wrong
        if self.table is None:
            worth = {"value": self.weight, "loss": self.loss, "cost": cost, "cost_wrong": wrong}
            caps = attempt_cap(items.a, items.b, fpr=self.verifier.fpr, zero=self.zero, **worth)
        else:
            caps = self.table.caps(value=self.weight, loss=self.loss, cost=cost, cost_wrong=wrong)
        caps = np.maximum(np.minimum(caps, items.k_max), self.floor)
        return np.where(self._opens(caps, price), caps, self.floor) if items.prefill.any() else caps

    def ends(self, caps: np.ndarray) -> tuple[Outcome, np.ndarray]:
        """Return what the caps lead to, and expected tokens [n]."""
        items = self.items
        if self.table is None:
            result = outcome(items.a, items.b, caps, fpr=self.verifier.fpr, zero=self.zero)
            right = result.correct
        else:
            result, right = self.table.outcome(caps)
        tokens = right * items.cost + (result.attempts - right) * self.cost_wrong
        return result, tokens + np.where(caps > 0, items.prefill, 0.0)

    def spent(self, caps: np.ndarray) -> float:
        """Expected tokens of all queries."""
        return float(self.ends(caps)[1].sum())

    def take(self, rows: np.ndarray) -> "_Problem":
        """The same for some of the queries; not with a table."""
        assert self.table is None
        columns = {
            name: getattr(self, name)[rows] for name in ("weight", "loss", "cost_wrong", "floor", "zero")
        }
        return replace(self, items=self.items.take(rows), **columns)

    def _opens(self, caps: np.ndarray, price: float) -> np.ndarray:
        result, tokens = self.ends(caps)
        return self.weight * result.correct - self.loss * result.wrong - price * tokens > 0


def allocate_sequential(
    queries: Queries, budget: float, *, verifier: VerifierSpec | None = None, cap_max: int = K_MAX
) -> SequentialAllocation:
    """Divide ``budget`` expected tokens over n queries.

    Args:
        queries: What is known of them, and at stake.
        budget: Expected tokens.
        verifier: Its measured error rates; None = it never errs.
        cap_max: Most attempts of a query.

    Raises:
        ValueError: a posterior or cost that is not positive, or a budget that does not pay ``cap_min``.
    """
    problem = _problem(queries, verifier or VerifierSpec(), cap_max=cap_max)
    forced = problem.spent(problem.floor)
    if forced > budget:
        raise ValueError(
            f"budget: {budget:g} tokens do not pay the {forced:g} of the attempts that every query gets"
            " (cap_min)"
        )
    price, caps = _spend(problem, budget)
    result, tokens = problem.ends(caps)
    return SequentialAllocation(
        cap=caps.astype(np.int64),
        price=price,
        tokens=tokens,
        correct=result.correct,
        wrong=result.wrong,
        attempts=result.attempts,
    )


def _problem(queries: Queries, verifier: VerifierSpec, *, cap_max: int) -> _Problem:
    items = Items.of(
        queries.a,
        queries.b,
        queries.cost,
        weight=queries.weight,
        prefill=queries.prefill,
        k_max=cap_max,
    )
    shape = items.a.shape
    zero = _column(queries.zero, shape)
    table = (
        None if verifier.tpr == 1 else QuadratureCaps(items.a, items.b, verifier, zero=zero, k_max=cap_max)
    )
    return _Problem(
        items=items,
        weight=_column(queries.weight, shape),
        loss=_column(queries.loss, shape),
        cost_wrong=items.cost if queries.cost_wrong is None else _column(queries.cost_wrong, shape),
        verifier=verifier,
        floor=np.minimum(_column(queries.cap_min, shape), cap_max),
        zero=zero,
        table=table,
    )


def _spend(problem: _Problem, budget: float) -> tuple[float, np.ndarray]:
    """The price that spends the budget, and the caps; queries that stand at the price are raised in order
    while they fit."""
    free = problem.caps(0.0)
    if problem.spent(free) <= budget:
        return 0.0, free
    top = float((problem.weight / np.minimum(problem.items.cost, problem.cost_wrong)).max())
    low, high = np.log(top) - 80.0, np.log(top)
    if len(free) > _SAMPLE and problem.table is None:
        low, high = _sampled_bracket(problem, budget, low, high)
    high = _crossing_of(problem, budget, low, high)
    caps, more = problem.caps(np.exp(high)), problem.caps(np.exp(high - 2 * _RESOLUTION))
    tokens = problem.ends(caps)[1]
    extra = np.maximum(problem.ends(more)[1] - tokens, 0.0)
    left = budget - float(tokens.sum())
    waiting = np.flatnonzero(more > caps)
    fits = np.cumsum(extra[waiting]) <= left * (1 - 1e-12)
    caps[waiting[fits]] = more[waiting[fits]]
    return float(np.exp(high)), caps


def _crossing_of(problem: _Problem, budget: float, low: float, high: float) -> float:
    """``_crossing`` of what the queries spend; only those whose cap is not the same at both ends are looked
    at again."""
    base = 0.0
    if problem.table is None:
        caps, at_low = problem.caps(np.exp(high)), problem.caps(np.exp(low))
        moving = caps != at_low
        base = float(problem.ends(caps)[1][~moving].sum())
        problem = problem.take(np.flatnonzero(moving))
    return _crossing(lambda x: (base + problem.spent(problem.caps(np.exp(x)))) / budget - 1, low, high)


def _sampled_bracket(problem: _Problem, budget: float, low: float, high: float) -> tuple[float, float]:
    """A narrow bracket of the log price, guessed from some of the queries and widened until it holds for
    all."""
    size = len(problem.weight)
    part = problem.take(np.sort(np.random.default_rng(0).choice(size, _SAMPLE, replace=False)))
    guess = _crossing_of(part, budget * _SAMPLE / size, low, high)
    above = below = 0.02
    while problem.spent(problem.caps(np.exp(guess + above))) > budget:
        above *= 4
    while problem.spent(problem.caps(np.exp(guess - below))) <= budget:
        below *= 4
    return guess - below, guess + above


def _crossing(excess: Callable[[float], float], low: float, high: float) -> float:
    """Log price at which the relative ``excess`` over the budget, a falling step function, is at most 0 and
    nearly 0.

    Steps of false position and bisection in turn; ends within ``_CLOSE`` of the budget or ``_RESOLUTION`` of
    the lowest price.
    """
    above, under = excess(low), excess(high)
    assert under <= 0, "the highest price buys nothing"
    turn = 0
    while high - low > _RESOLUTION and under < -_CLOSE:
        share = above / (above - under) if turn % 2 == 0 else 0.5
        middle = low + min(max(share, 0.02), 0.98) * (high - low)
        value = excess(middle)
        if value <= 0:
            high, under = middle, value
        else:
            low, above = middle, value
        turn += 1
    return high


def _column(values: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(np.asarray(values, dtype=np.float64), shape)
