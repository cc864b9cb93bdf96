"""The benchmark of the planner: its name, the arithmetic of its arms."""

import numpy as np
import pytest

from benchmarks.planner import arms
from benchmarks.planner.adaptive import ARMS, run
from benchmarks.planner.tasks import Tasks


def tasks() -> Tasks:
    rng = np.random.default_rng(0)
    n = np.full(60, 40)
    c = rng.binomial(40, rng.beta(0.4, 1.5, 60))
    names = np.repeat(["a", "b"], 30)
    return Tasks(name="toy", n=n, c=c, tokens=rng.uniform(5, 15, 60), category=names, problem=np.arange(60))


def test_attempts_are_those_of_shuffled_outcomes() -> None:
    """Stopping at the first right one of the 40 recorded outcomes, at most 6, in random order; 5 standard
    errors."""
    toy, rng, size = tasks(), np.random.default_rng(1), 20_000
    table = toy.attempts(6)
    assert table[:, 0] == pytest.approx(0)
    assert table[:, 1] == pytest.approx(1)
    for i in (0, 17, 45):
        outcomes = rng.permuted(np.tile(np.arange(40) < toy.c[i], (size, 1)), axis=1)[:, :6]
        drawn = np.where(outcomes.any(axis=1), outcomes.argmax(axis=1) + 1, 6).mean()
        assert table[i, 6] == pytest.approx(drawn, abs=5 * 3 / size**0.5)


def test_a_probes_outcomes_are_not_counted_again() -> None:
    toy = tasks()
    right, rest = toy.split(4, np.random.default_rng(2))
    assert (rest.n == 36).all()
    assert np.array_equal(rest.c + right, toy.c)


def test_arms_are_ordered_as_they_must_be() -> None:
    toy = tasks()
    budget = 6 * float(toy.tokens.sum())
    assert arms.uniform(toy, budget).mean() == pytest.approx(toy.coverage(np.full(60, 6)).mean())
    assert arms.oracle(toy, budget).mean() > arms.uniform(toy, budget).mean()
    assert arms.uniform_sequential(toy, budget).mean() > arms.uniform(toy, budget).mean()
    found = run(toy, samples=6, probe=1, redraws=2, seed=0, note=lambda text: None)
    assert set(found["coverage"]) == set(ARMS)
    assert found["regret_parallel"] > 0
    assert found["gain"]["low"] <= found["gain"]["value"] <= found["gain"]["high"]
