"""Intervals: worked examples of docs/methods/pass_at_k.md#intervals, closed forms, and coverage by
simulation."""

import numpy as np
import pytest
from scipy import stats

from planner.estimators.bootstrap import bootstrap_mean, paired_difference, seeds_difference, wilson


def test_wilson_worked_examples() -> None:
    low, high = wilson([3, 0], [10, 16])
    assert low == pytest.approx([0.107791, 0.0], abs=1e-6)
    assert high == pytest.approx([0.603222, 0.193608], abs=1e-6)
    limits = [1 - (1 - float(bound)) ** 5 for bound in (low[0], high[0])]
    assert limits == pytest.approx([0.434631, 0.990166], abs=1e-6)


def test_bootstrap_agrees_with_the_standard_error() -> None:
    values = np.random.default_rng(0).random(400)
    interval = bootstrap_mean(values)
    half = 1.959964 * values.std(ddof=1) / np.sqrt(400)
    assert interval.value == pytest.approx(values.mean())
    assert interval.high - interval.value == pytest.approx(half, rel=0.06)
    assert interval.value - interval.low == pytest.approx(half, rel=0.06)


def test_bootstrap_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).exponential(size=60)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", rng=0
    ).confidence_interval
    ours = bootstrap_mean(values)
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)


def test_ninety_percent_intervals_cover_about_ninety_percent() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        interval = bootstrap_mean(rng.random(50), confidence=0.9, resamples=500, seed=trial)
        covered += interval.low <= 0.5 <= interval.high
    assert 165 <= covered <= 195


def test_pairing_removes_what_the_problems_share() -> None:
    rng = np.random.default_rng(3)
    before = rng.random(200)
    after = before + 0.02 + rng.normal(0, 0.05, 200)
    paired = paired_difference(before, after)
    assert paired.value == pytest.approx((after - before).mean())
    assert paired.excludes_zero
    assert paired.probability_positive == 1.0
    separate = bootstrap_mean(after).high - bootstrap_mean(before).low
    assert paired.high - paired.low < 0.25 * separate


def test_no_change_gives_an_even_chance() -> None:
    same = paired_difference([0.0, 1.0, 0.5], [0.0, 1.0, 0.5])
    assert (same.value, same.probability_positive) == (0.0, 0.5)
    assert not same.excludes_zero


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_problems_that_are_all_equal_leave_room_for_others(value: float) -> None:
    interval = bootstrap_mean([value] * 8)
    share = float(wilson(0, 8)[1])
    assert (interval.low, interval.high) == pytest.approx(
        (value - share * value, value + share * (1 - value))
    )
    if value in (0.0, 1.0):
        assert (interval.low, interval.high) == pytest.approx(tuple(float(x) for x in wilson(8 * value, 8)))
    larger = bootstrap_mean([value] * 400)
    assert larger.high - larger.low < 0.02


@pytest.mark.parametrize(
    ("change", "low", "high"), [(0.0, -0.324, 0.324), (1.0, 0.351, 1.0), (-1.0, -1.0, -0.351)]
)
def test_differences_that_are_all_equal_leave_room_for_others(change: float, low: float, high: float) -> None:
    before = np.full(8, 0.5 - change / 2)
    pairs = paired_difference(before, before + change)
    assert (pairs.low, pairs.high) == pytest.approx((low, high), abs=1e-3)
    seeds = seeds_difference(np.full((3, 8), change))
    assert (seeds.low, seeds.high) == (pairs.low, pairs.high)


def test_eight_equal_problems_cover_what_most_of_which_are_equal() -> None:
    """With 9 of 10 problems always solved, eight of eight solved is common, and the interval must not end
    above .9."""
    assert bootstrap_mean([1.0] * 8).low < 0.9 < bootstrap_mean([1.0] * 8).high


def test_one_problem_gives_no_interval() -> None:
    interval = bootstrap_mean([0.4])
    assert interval.value == 0.4
    assert np.isnan(interval.low)


def test_seeds_and_problems_both_widen_the_interval() -> None:
    rng = np.random.default_rng(4)
    seeds, problems = rng.normal(0, 0.1, 8), rng.normal(0, 0.3, 100)
    crossed = seeds_difference(0.05 + seeds[:, None] + problems[None, :])
    sd = np.sqrt(seeds.var() / 8 + problems.var() / 100)
    assert crossed.high - crossed.low == pytest.approx(2 * 1.96 * sd, rel=0.1)
    only_problems = seeds_difference(np.tile(0.05 + problems, (8, 1)))
    assert only_problems.high - only_problems.low == pytest.approx(2 * 1.96 * problems.std() / 10, rel=0.1)


def test_two_seeds_are_too_few() -> None:
    with pytest.raises(ValueError, match="at least 3 seeds"):
        seeds_difference(np.zeros((2, 10)))


def test_unpaired_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="3 before, 2 after"):
        paired_difference([0, 1, 0], [1, 1])


def test_memory_stays_bounded_for_large_sets_and_the_result_is_that_of_one_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(5).random(30)
    whole = bootstrap_mean(values, resamples=1000)
    monkeypatch.setattr("planner.estimators.bootstrap._CHUNK", 30 * 7)
    assert bootstrap_mean(values, resamples=1000) == whole
