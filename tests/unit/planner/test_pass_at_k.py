"""pass@k against worked examples (docs/methods/pass_at_k.md#unbiased-estimate) and against enumeration of
every subset."""

import itertools
from fractions import Fraction
from math import comb

import numpy as np
import pytest

from planner.estimators.pass_at_k import pass_at_k, pass_hat_k


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [
        (10, 3, 1, 0.3),
        (10, 3, 5, 11 / 12),
        (10, 1, 5, 0.5),
        (16, 2, 8, 23 / 30),
        (200, 7, 10, 0.305599),
        (8, 0, 4, 0.0),
        (8, 5, 4, 1.0),
        (8, 8, 8, 1.0),
        (1, 0, 1, 0.0),
    ],
)
def test_worked_examples(n: int, c: int, k: int, expected: float) -> None:
    assert float(pass_at_k(n, c, k)) == pytest.approx(expected, abs=5e-7)


def test_equals_enumeration_of_all_subsets() -> None:
    for n in range(1, 8):
        for c, k in itertools.product(range(n + 1), range(1, n + 1)):
            outcomes = [1] * c + [0] * (n - c)
            subsets = [[outcomes[i] for i in subset] for subset in itertools.combinations(range(n), k)]
            assert float(pass_at_k(n, c, k)) == pytest.approx(np.mean([max(s) for s in subsets]), abs=1e-14)
            assert float(pass_hat_k(n, c, k)) == pytest.approx(np.mean([min(s) for s in subsets]), abs=1e-14)


def test_keeps_its_digits_where_factorials_would_overflow() -> None:
    exact = 1 - Fraction(comb(10_000 - 3, 400), comb(10_000, 400))
    assert float(pass_at_k(10_000, 3, 400)) == pytest.approx(float(exact), rel=1e-12)
    tiny = Fraction(comb(40, 30), comb(100, 30))
    assert float(pass_hat_k(100, 40, 30)) == pytest.approx(float(tiny), rel=1e-12)


def test_is_unbiased_where_the_plug_in_is_not() -> None:
    n, p, k = 16, 0.1, 8
    c = np.arange(n + 1)
    weight = np.array([comb(n, int(x)) * p**x * (1 - p) ** (n - x) for x in c])
    assert weight @ pass_at_k(n, c, k) == pytest.approx(1 - (1 - p) ** k, abs=1e-12)
    assert weight @ (1 - (1 - c / n) ** k) == pytest.approx(0.491, abs=5e-4)


def test_vectorises_over_problems_with_different_sample_counts() -> None:
    values = pass_at_k([10, 16, 8], [3, 2, 0], 5)
    assert values.shape == (3,)
    assert values[0] == pytest.approx(11 / 12)
    assert values[2] == 0.0
    assert not np.signbit(values[2])


@pytest.mark.parametrize(
    ("n", "c", "k", "message"),
    [
        (4, 2, 5, "k is 5"),
        ([8, 4], [1, 1], 6, "only 4"),
        (4, 5, 1, "between 0 and n"),
        (4, 1, 0, "1 or more"),
    ],
)
def test_refuses_what_has_no_unbiased_answer(
    n: int | list[int], c: int | list[int], k: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pass_at_k(n, c, k)
