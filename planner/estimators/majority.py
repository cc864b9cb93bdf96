"""Majority vote: maj@k from samples, and where it ends for large k.

See docs/methods/pass_at_k.md#majority-votes.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import poisson

SUBSETS = 1000


def maj_at_k(
    answers: Sequence[Hashable | None],
    correct: Hashable,
    k: int,
    *,
    weights: ArrayLike | None = None,
    subsets: int = SUBSETS,
    seed: int = 0,
) -> float:
    """Probability that the vote of k of the n samples gives the right answer; ties count 1 / (number of tied
    answers).

    There is no closed form for many answers: ``subsets`` draws without replacement, exact for k = n (and k =
    1).

    Args:
        answers: [n] canonical forms; None = no valid answer, which takes a place in the k but gets no vote.
        correct: the right canonical form.
        k: votes, 1 <= k <= n.
        weights: [n] a score for each sample, >= 0: the weighted vote sums them; None counts heads.
        subsets: draws; the standard error is at most .5 / sqrt(subsets).
        seed: of the draws.

    Raises:
        ValueError: k outside 1..n, or weights negative or not one for each sample.
    """
    size = len(answers)
    if not 1 <= k <= size:
        raise ValueError(f"k is {k}: it lies between 1 and the {size} samples of the problem")
    ballots = np.ones(size) if weights is None else np.asarray(weights, dtype=np.float64)
    if ballots.shape != (size,) or np.any(ballots < 0):
        raise ValueError("weights: one number >= 0 for each sample")
    names = {
        answer: i for i, answer in enumerate(dict.fromkeys([correct, *(a for a in answers if a is not None)]))
    }
    table = np.zeros((size, len(names)))
    for i, answer in enumerate(answers):
        if answer is not None:
            table[i, names[answer]] = ballots[i]
    if k == 1:
        return float((table[:, 0] > 0).mean())
    if k == size:
        return float(_credit(table.sum(axis=0)[None])[0])
    rng = np.random.default_rng(seed)
    votes = np.stack([table[rng.choice(size, k, replace=False)].sum(axis=0) for _ in range(subsets)])
    return float(_credit(votes).mean())


def _credit(votes: np.ndarray) -> np.ndarray:
    """[R] share of the right answer, column 0 of votes [R, A], in the win."""
    winners = np.isclose(votes, votes.max(axis=1, keepdims=True), rtol=1e-12, atol=0.0) & (votes > 0)
    return winners[:, 0] / np.maximum(winners.sum(axis=1), 1)


def plurality_limit(shares: ArrayLike) -> float:
    """Return the limit of maj@k for one problem: 1 if the right answer is the only most likely one, 0 if
    another is likelier.

    Args:
        shares: [A] probability of each answer, the right one first; a tie for the first place counts 1 /
            (number tied).
    """
    return float(_credit(np.asarray(shares, dtype=np.float64)[None])[0])


def vote_error_bound(shares: ArrayLike, k: int) -> float:
    """Chernoff bound on P(the vote of k is wrong) when the right answer, first in shares [A], is the
    likeliest.

    Sum over the other answers of (1 - (sqrt q* - sqrt q_j)^2)^k; at most 1.
    """
    q = np.asarray(shares, dtype=np.float64)
    if np.any(q[1:] >= q[0]):
        raise ValueError(
            "shares: the bound holds where the right answer (the first) is likelier than every other"
        )
    return float(min(1.0, ((1 - (np.sqrt(q[0]) - np.sqrt(q[1:])) ** 2) ** k).sum()))


def vote_probability(shares: ArrayLike, k: int) -> float:
    """maj@k of k independent samples whose answer probabilities are known, exactly; ties count 1 / (number
    tied).

    Multinomial counts are Poisson counts given their sum, so for each count v of the right answer the others,
    none above v, are convolved one by one, keeping how many of them reach v. Costs about k^3 A operations: k
    up to a few hundred.

    Args:
        shares: [A] probability of each answer, the right one first; they sum to 1.
        k: samples, at least 1.
    """
    q = np.asarray(shares, dtype=np.float64)
    if k < 1 or not np.isclose(q.sum(), 1.0):
        raise ValueError("vote_probability: needs k >= 1 and shares that sum to 1")
    mass = poisson.pmf(np.arange(k + 1)[None], k * q[:, None])
    won = sum(mass[0, v] * _shared_win(mass[1:, : v + 1], k - v) for v in range(1, k + 1))
    return float(won / poisson.pmf(k, k))


def _shared_win(others: np.ndarray, total: int) -> float:
    """Sum over tied T of P(counts sum to ``total``, T at the highest column) / (1 + T), from Poisson masses
    [A-1, v+1]."""
    ways = np.zeros((len(others) + 1, total + 1))
    ways[0, 0] = 1.0
    for mass in others:
        top = len(mass) - 1
        below = np.stack(
            [np.convolve(row, mass[:top])[: total + 1] if top else np.zeros(total + 1) for row in ways]
        )
        grown = np.zeros_like(ways)
        grown[:, : below.shape[1]] = below
        if top <= total:
            grown[1:, top:] += mass[top] * ways[:-1, : total + 1 - top]
        ways = grown
    return float(ways[:, total] @ (1 / np.arange(1, len(ways) + 1)))
