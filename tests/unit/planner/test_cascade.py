import numpy as np
import pytest

from planner.cascade import (
    Cascade,
    Rung,
    Verdicts,
    candidates,
    collision_rate,
    outcome,
    saving,
    saving_replicates,
    singles,
    tabulate,
)
from planner.verifiers.verifier import VerifierSpec


def verdicts(c: list[list[int]], n: int = 1, cost: tuple[float, ...] = (1.0, 10.0)) -> Verdicts:
    counts = np.array(c)
    return Verdicts(
        models=("small", "large", "other")[: len(c)],
        n=np.full_like(counts, n),
        c=counts,
        cost=np.repeat(np.array(cost)[:, None], counts.shape[1], axis=1),
    )


def test_a_perfect_verifier_escalates_exactly_what_the_small_model_missed() -> None:
    found = outcome(Cascade(rungs=(Rung(model=0), Rung(model=1))), verdicts([[1, 0, 0], [0, 1, 0]]))
    assert found.right.tolist() == [1, 1, 0]
    assert found.cost.tolist() == [1, 11, 11]


def test_samples_shown_to_a_verifier_are_drawn_without_replacement() -> None:
    """Four samples of which two are right: two draws miss both with 2/4 x 1/3."""
    found = outcome(Cascade(rungs=(Rung(model=0, samples=2),)), verdicts([[2], [0]], n=4))
    assert found.right[0] == pytest.approx(1 - 2 / 4 * 1 / 3)
    assert found.cost[0] == pytest.approx(1 + 2 / 4)


def test_a_verifier_that_errs_takes_wrong_answers_and_passes_right_ones_on() -> None:
    spec = VerifierSpec(fpr=0.25, tpr=0.5)
    found = outcome(Cascade(rungs=(Rung(model=0), Rung(model=1)), verifier=spec), verdicts([[1, 0], [1, 1]]))
    # Problem 0: taken with .5, else the large model is right. Problem 1: a wrong answer is taken with .25.
    assert found.right.tolist() == [1, 0.75]
    assert found.cost.tolist() == [1 + 0.5 * 10, 1 + 0.75 * 10]


@pytest.mark.parametrize(
    ("collision", "right", "cost"), [(0.0, 1.0, 102.0), (1.0, 0.0, 2.0), (0.3, 0.7, 72.0)]
)
def test_two_wrong_answers_that_agree_stop_the_cascade(collision: float, right: float, cost: float) -> None:
    pair = Cascade(rungs=(Rung(model=0, partner=1), Rung(model=2)), gate="agreement", collision=collision)
    found = outcome(pair, verdicts([[0], [0], [1]], cost=(1, 1, 100)))
    assert found.right[0] == pytest.approx(right)
    assert found.cost[0] == pytest.approx(cost)


def test_a_model_that_is_asked_twice_agrees_as_two_of_its_samples_do() -> None:
    twice = Cascade(rungs=(Rung(model=0, partner=0), Rung(model=1)), gate="agreement", collision=0.0)
    found = outcome(twice, verdicts([[3], [4]], n=4))
    both = 3 / 4 * 2 / 3
    assert found.right[0] == pytest.approx(both + (1 - both) * 1.0)
    assert found.cost[0] == pytest.approx(2 + (1 - both) * 10)


def test_expectations_are_what_drawing_says() -> None:
    rng = np.random.default_rng(0)
    p, spec = np.array([0.3, 0.8]), VerifierSpec(fpr=0.1, tpr=0.9)
    data = Verdicts(
        models=("a", "b"), n=np.full((2, 1), 10), c=np.array([[3], [8]]), cost=np.array([[1.0], [5.0]])
    )
    found = outcome(Cascade(rungs=(Rung(model=0), Rung(model=1)), verifier=spec), data)
    right = rng.random((200_000, 2)) < p
    taken = rng.random(len(right)) < np.where(right[:, 0], spec.tpr, spec.fpr)
    assert np.where(taken, right[:, 0], right[:, 1]).mean() == pytest.approx(found.right[0], abs=0.005)
    assert (1 + 5 * ~taken).mean() == pytest.approx(found.cost[0], abs=0.02)


def test_the_cheapest_cascade_is_chosen_on_some_problems_and_judged_on_others() -> None:
    # The small model solves the first half of either group, the large one everything.
    data = verdicts([[1, 0] * 10, [1] * 20])
    table = tabulate(list(candidates(data, gate="verifier", depth=2)), data)
    found = saving(table, 1, choose=np.arange(10), score=np.arange(10, 20))
    assert table.cascades[found.chosen].name(data.models) == "small > large"
    assert found.saving == pytest.approx(1 - 6 / 10)
    assert found.difference == 0
    assert all(r.saving <= 0.9 for r in saving_replicates(table, 1, replicates=20))


def test_candidates_of_agreement_ask_no_model_again_and_hold_the_single_models() -> None:
    data = verdicts([[1, 0], [1, 1], [0, 1]], cost=(1, 10, 3))
    found = [c.name(data.models) for c in candidates(data, gate="agreement", depth=2)]
    assert found == [
        "small", "large", "other", "small+other > large", "small+large > other", "other+large > small",
    ]  # fmt: skip
    assert len(singles(data)) == 3


def test_collisions_are_counted_among_pairs_that_are_both_wrong() -> None:
    assert collision_rate(["1", "2", "3", None], ["1", "2", "4", None], ["1", "9", "9", "9"]) == (1, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cascade(rungs=()), "at least one rung"),
        (lambda: Cascade(rungs=(Rung(model=0),), gate="hope"), "none of verifier, agreement"),
        (lambda: Cascade(rungs=(Rung(model=0), Rung(model=1)), gate="agreement"), "needs a partner"),
        (lambda: outcome(Cascade(rungs=(Rung(model=0, samples=3),)), verdicts([[1], [1]], n=2)), "only 2"),
        (lambda: verdicts([[2], [1]]), "0 <= c <= n"),
    ],
)
def test_what_cannot_be_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
