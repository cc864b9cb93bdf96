"""How real runs are compared: values at equal tokens, areas, tokens to a target, on curves made by hand."""

import numpy as np
import pytest

from benchmarks.curricula.real import at, compare, tokens_ratio
from benchmarks.curricula.runs import Finished

PROBLEMS = 40


def run(right: list[int], tokens: list[int], *, seed: int = 0) -> Finished:
    """A run of which, at each evaluation, the first ``right`` of 40 problems succeed in all 8 samples and the
    others never."""
    curve = [
        {"step": i, "tokens": spent, "correct": "8" * good + "0" * (PROBLEMS - good)}
        for i, (good, spent) in enumerate(zip(right, tokens, strict=True))
    ]
    facts = {"samples": 8, "curve": curve, "rollouts": 10, "train_s": 1.0, "length_last": 5.0}
    ratios = {"effective_gradient_ratio": 0.2 + 0.1 * (right[-1] > 20), "effective_prompt_ratio": 0.5}
    return Finished(arm="any", seed=seed, split="dev", facts=facts | ratios)


def test_values_between_two_evaluations_are_linear_in_tokens() -> None:
    assert at(run([10, 20], [0, 100]), 50).mean() == pytest.approx(0.375)
    assert at(run([10, 20], [0, 100]), 100).mean() == pytest.approx(0.5)


def test_an_arm_twice_as_fast_needs_half_the_tokens() -> None:
    slow = [run([10, 15, 20], [0, 100, 200], seed=s) for s in range(3)]
    fast = [run([10, 20, 30], [0, 100, 200], seed=s) for s in range(3)]
    ratio = tokens_ratio(fast, slow, 200)
    assert ratio["value"] == pytest.approx(0.5, abs=0.01)
    assert ratio["high"] < 0.7
    assert tokens_ratio(slow, slow, 200)["value"] == pytest.approx(1.0)


def test_an_arm_that_never_gets_there_has_no_ratio() -> None:
    slow = [run([10, 11, 12], [0, 100, 200], seed=s) for s in range(3)]
    fast = [run([10, 20, 30], [0, 100, 200], seed=s) for s in range(3)]
    ratio = tokens_ratio(slow, fast, 200)
    assert ratio["value"] is None and ratio["high"] is None
    assert ratio["never_share"] > 0.9


def test_a_dip_is_read_off_the_isotonic_curve() -> None:
    # isotonic: 10, then 20 from 100 on
    dipping = [run([10, 24, 16], [0, 100, 200], seed=s) for s in range(3)]
    steady = [run([10, 20, 20], [0, 100, 200], seed=s) for s in range(3)]
    assert tokens_ratio(dipping, steady, 200)["value"] is not None


def test_the_comparison_is_paired_and_at_equal_tokens() -> None:
    found = {
        "uniform": [run([10, 20], [0, 100], seed=s) for s in range(3)],
        "knapsack": [run([10, 30], [0, 120], seed=s) for s in range(3)],
    }
    figures = compare(found)
    assert figures["knapsack"]["pass@1"] == pytest.approx((10 + 20 * 100 / 120) / PROBLEMS, abs=1e-4)
    assert figures["knapsack"]["pass@1_minus_uniform"]["value"] == pytest.approx(
        (20 * 100 / 120 - 10) / PROBLEMS, abs=1e-4
    )
    assert figures["knapsack"]["effective_gradient_ratio_gain"] == pytest.approx(0.5)
    assert figures["knapsack"]["area_minus_uniform"]["low"] > 0
    assert "tokens_ratio" not in figures["uniform"]
    assert np.isfinite(figures["knapsack"]["tokens_ratio"]["value"])
