"""Best of k, the longest of k, majority votes: worked examples of docs/methods/pass_at_k.md#best-of-k and the
heading after it, and brute force."""

import itertools
import math

import numpy as np
import pytest

from planner.estimators.majority import maj_at_k, plurality_limit, vote_error_bound, vote_probability
from planner.estimators.pass_at_k import pass_at_k
from planner.estimators.selection import best_of_k, longest_of_k, order_weights, selection_gap

SIX = (0.3, 0.2, 0.2, 0.1, 0.1, 0.1)


def test_best_of_k_worked_example() -> None:
    scores, right = [0.9, 0.8, 0.3, 0.2, 0.1], [1, 0, 1, 0, 0]
    assert [best_of_k(scores, right, k) for k in (1, 2, 3)] == pytest.approx([0.4, 0.6, 0.7])
    assert order_weights(5, 2) == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0])
    assert longest_of_k([10, 12, 20, 40], 2) == pytest.approx(28.6667, abs=1e-4)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 7])
def test_best_of_k_equals_enumeration(k: int) -> None:
    rng = np.random.default_rng(k)
    scores, values = rng.integers(0, 4, 7), rng.random(7)

    def chosen(subset: tuple[int, ...]) -> float:
        top = max(scores[list(subset)])
        return float(np.mean([values[i] for i in subset if scores[i] == top]))

    every = [chosen(s) for s in itertools.combinations(range(7), k)]
    assert best_of_k(scores, values, k) == pytest.approx(np.mean(every))


def test_a_perfect_score_is_coverage() -> None:
    right = [1, 0, 0, 1, 0, 0, 0]
    assert best_of_k(right, right, 3) == pytest.approx(float(pass_at_k(7, 2, 3)))
    assert selection_gap(right, right, 3) == pytest.approx(0.0)
    assert selection_gap([1, 0, 1, 0, 0], [5, 4, 3, 2, 1], 2) == pytest.approx(0.7 - 0.6)


def test_too_many_samples_wanted() -> None:
    with pytest.raises(ValueError, match="between 1 and the 3 samples"):
        best_of_k([1, 2, 3], [1, 0, 0], 4)


def test_votes_of_two_answers() -> None:
    assert [vote_probability([0.6, 0.4], k) for k in (1, 3, 5, 11, 41)] == pytest.approx(
        [0.6, 0.648, 0.68256, 0.7535, 0.9035], abs=1e-4
    )
    assert [vote_probability([0.4, 0.6], k) for k in (1, 3, 5, 11, 41)] == pytest.approx(
        [0.4, 0.352, 0.317, 0.246, 0.097], abs=1e-3
    )


def test_votes_of_six_answers_and_their_bound() -> None:
    assert [vote_probability(SIX, k) for k in (1, 4, 16, 64)] == pytest.approx(
        [0.30, 0.36, 0.54, 0.79], abs=0.005
    )
    assert vote_probability(SIX, 256) == pytest.approx(0.98, abs=0.005)
    assert vote_error_bound(SIX, 256) == pytest.approx(0.149, abs=1e-3)
    assert 1 - vote_probability(SIX, 256) < vote_error_bound(SIX, 256)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_vote_probability_equals_enumeration(k: int) -> None:
    q = (0.4, 0.35, 0.25)
    total = 0.0
    for votes in itertools.product(range(k + 1), repeat=3):
        if sum(votes) == k:
            ways = math.factorial(k) / math.prod(math.factorial(v) for v in votes)
            tied = [j for j in range(3) if votes[j] == max(votes)]
            total += ways * math.prod(p**v for p, v in zip(q, votes, strict=True)) * (0 in tied) / len(tied)
    assert vote_probability(q, k) == pytest.approx(total)


def test_the_plateau_is_the_plurality() -> None:
    assert plurality_limit(SIX) == 1.0
    assert plurality_limit([0.4, 0.6]) == 0.0
    assert plurality_limit([0.4, 0.4, 0.2]) == 0.5
    assert vote_probability([0.35, 0.4, 0.25], 200) < vote_probability([0.35, 0.4, 0.25], 20) < 0.36
    with pytest.raises(ValueError, match="likelier than every other"):
        vote_error_bound([0.4, 0.6], 8)


def test_maj_at_k_of_samples() -> None:
    answers = ["a", "a", "b", "b", "c", None]
    assert maj_at_k(answers, "a", 6) == 0.5
    assert maj_at_k(answers, "a", 1) == pytest.approx(2 / 6)
    assert maj_at_k(answers, "z", 6) == 0.0
    assert maj_at_k([None, None], "a", 2) == 0.0
    assert maj_at_k(answers, "a", 6, weights=[1, 1, 0.5, 1, 9, 0]) == 0.0
    assert maj_at_k(answers, "a", 6, weights=[1, 1, 0.5, 1, 0, 9]) == 1.0


@pytest.mark.parametrize("k", [2, 3, 4])
def test_maj_at_k_nears_enumeration(k: int) -> None:
    answers = ["a", "a", "a", "b", "b", "c", "d"]

    def credit(subset: tuple[str, ...]) -> float:
        top = max(subset.count(x) for x in set(subset))
        winners = [x for x in set(subset) if subset.count(x) == top]
        return ("a" in winners) / len(winners)

    exact = np.mean([credit(s) for s in itertools.combinations(answers, k)])
    assert maj_at_k(answers, "a", k, subsets=4000) == pytest.approx(exact, abs=0.025)
    with pytest.raises(ValueError, match="7 samples"):
        maj_at_k(answers, "a", 8)
