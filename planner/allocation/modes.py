"""The three ways to spend a budget: parallel with a verifier, sequential with one, votes without."""

import numpy as np

from planner.allocation.demand import Demand
from planner.allocation.gains import coverage
from planner.allocation.parallel import K_MAX, allocate_parallel
from planner.allocation.quadrature import QuadratureCaps
from planner.allocation.sequential import Queries, allocate_sequential
from planner.allocation.stopping import Outcome, outcome
from planner.allocation.table import allocate_table
from planner.allocation.voting import vote_table
from planner.types import Mode, ServingPlan
from planner.verifiers.verifier import VerifierSpec

TABLE_MAX = 256
"""Most samples of a query where values are tabulated: parallel with a verifier that errs."""


def sequential(
    demand: Demand, budget: float, verifier: VerifierSpec, *, loss: float, k_max: int = K_MAX
) -> ServingPlan:
    """Draw until the verifier accepts, at most k times."""
    post = demand.posterior
    queries = Queries(
        post.a,
        post.b,
        demand.tokens,
        cost_wrong=demand.tokens_wrong,
        prefill=demand.prefill,
        weight=demand.weight,
        loss=loss * demand.weight,
        zero=post.zero,
        cap_min=demand.cold,
    )
    chosen = allocate_sequential(queries, budget, verifier=verifier, cap_max=k_max)
    result = Outcome(correct=chosen.correct, wrong=chosen.wrong, attempts=chosen.attempts)
    return _serving_plan(
        demand, "sequential", "repeated_sampling", chosen.cap, chosen.price, result, chosen.tokens
    )


def parallel(
    demand: Demand, budget: float, verifier: VerifierSpec, *, loss: float, k_max: int = K_MAX
) -> ServingPlan:
    """All k samples drawn at once; the first accepted is returned."""
    if not verifier.perfect:
        return _parallel_imperfect(demand, budget, verifier, loss=loss, k_max=min(k_max, TABLE_MAX))
    post, cost = demand.posterior, demand.mean_tokens
    weight = demand.weight * (1 - post.zero)
    options = {"weight": weight, "prefill": demand.prefill, "k_min": demand.cold, "k_max": k_max}
    chosen = allocate_parallel(post.a, post.b, cost, budget, **options)
    correct = (1 - post.zero) * chosen.coverage
    result = Outcome(correct=correct, wrong=np.zeros_like(correct), attempts=chosen.k.astype(np.float64))
    return _serving_plan(
        demand,
        "parallel",
        "repeated_sampling",
        chosen.k,
        chosen.price,
        result,
        _tokens_spent(chosen.k, cost, demand.prefill),
    )


def _parallel_imperfect(
    demand: Demand, budget: float, verifier: VerifierSpec, *, loss: float, k_max: int
) -> ServingPlan:
    """As sequential sampling decides, but every sample is paid."""
    post, cost = demand.posterior, demand.mean_tokens
    kinds, rows = np.unique(np.stack([post.a, post.b, post.zero], axis=1), axis=0, return_inverse=True)
    ends = [_outcomes_by_cap(*(float(x) for x in kind), verifier=verifier, k_max=k_max) for kind in kinds]
    correct, wrong = np.stack([e.correct for e in ends]), np.stack([e.wrong for e in ends])
    values = correct - loss * wrong
    samples = np.broadcast_to(np.arange(1.0, k_max + 1), values.shape)
    rows = rows.reshape(-1)
    spare = budget - float(demand.prefill.sum())
    if spare < 0:
        raise ValueError(
            f"budget: {budget:g} tokens do not pay the {demand.prefill.sum():g} of the prompts alone"
        )
    chosen = allocate_table(values, samples, rows, cost, spare, weight=demand.weight)
    k = chosen.k
    result = Outcome(
        correct=_at_counts(correct, rows, k), wrong=_at_counts(wrong, rows, k), attempts=k.astype(np.float64)
    )
    return _serving_plan(
        demand,
        "parallel",
        "repeated_sampling",
        k,
        chosen.price,
        result,
        _tokens_spent(k, cost, demand.prefill),
    )


def _outcomes_by_cap(a: float, b: float, zero: float, *, verifier: VerifierSpec, k_max: int) -> Outcome:
    """[k_max] outcomes of caps 1..k_max."""
    caps = np.arange(1.0, k_max + 1)
    if verifier.tpr == 1:
        return outcome(a, b, caps, fpr=verifier.fpr, zero=zero)
    first, second, none = (np.full(k_max, x) for x in (a, b, zero))
    table = QuadratureCaps(first, second, verifier, zero=none, k_max=k_max)
    return table.outcome(caps)[0]


def votes(demand: Demand, budget: float, *, agreement: float) -> ServingPlan:
    """Without a verifier: majority votes that stop once settled."""
    post, cost = demand.posterior, demand.mean_tokens
    table = vote_table(agreement=agreement)
    # An impossible query is one whose votes are never right.
    kinds, rows = np.unique(np.stack([post.a, post.b, post.zero], axis=1), axis=0, return_inverse=True)
    rows = rows.reshape(-1)
    right, drawn = table.averaged(kinds[:, 0], kinds[:, 1])
    solvable = 1 - kinds[:, 2:]
    right, drawn = solvable * right, solvable * drawn + (1 - solvable) * table.samples[0]
    spare = budget - float(demand.prefill.sum())
    if spare < 0:
        raise ValueError(
            f"budget: {budget:g} tokens do not pay the {demand.prefill.sum():g} of the prompts alone"
        )
    chosen = allocate_table(right, drawn, rows, cost, spare, weight=demand.weight)
    correct, attempts = _at_counts(right, rows, chosen.k), _at_counts(drawn, rows, chosen.k)
    result = Outcome(correct=correct, wrong=np.where(chosen.k > 0, 1 - correct, 0.0), attempts=attempts)
    return _serving_plan(
        demand,
        "sequential",
        "majority",
        chosen.k,
        chosen.price,
        result,
        _tokens_spent(attempts, cost, demand.prefill),
    )


def _at_counts(table: np.ndarray, rows: np.ndarray, k: np.ndarray) -> np.ndarray:
    """[n] entry k of each row, 0 for k = 0."""
    return np.where(k > 0, table[rows, np.maximum(k, 1) - 1], 0.0)


def _tokens_spent(samples: np.ndarray, cost: np.ndarray, prefill: np.ndarray) -> np.ndarray:
    return samples * cost + np.where(samples > 0, prefill, 0.0)


def _serving_plan(
    demand: Demand,
    mode: Mode,
    strategy: str,
    k: np.ndarray,
    price: float,
    result: Outcome,
    tokens: np.ndarray,
) -> ServingPlan:
    post = demand.posterior
    return ServingPlan(
        ids=demand.ids,
        mode=mode,
        strategy=(strategy,) * len(demand.ids),
        k=k,
        price=price,
        coverage=(1 - post.zero) * coverage(post.a, post.b, k),
        correct=result.correct,
        wrong=result.wrong,
        tokens=tokens,
    )
