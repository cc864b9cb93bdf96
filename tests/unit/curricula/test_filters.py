"""Which groups, and which rollouts of them, train: worked examples of
docs/methods/filters.md#which-groups-train."""

import itertools
import json
from dataclasses import replace
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curricula.base import TRAIN, Ctx
from curricula.filters.balanced import Balanced
from curricula.filters.dynamic_sampling import DynamicSampling
from curricula.filters.mixed import MixedOutcomes
from curricula.filters.pods import Pods, max_variance_subset
from curricula.filters.vcrl import VCRL, normalised_variance
from rollout.types import RolloutGroup
from tests.unit.curricula.stacks import POOL, group_of, new_store, stat


def ctx(step: int = 0, *, round: int = 0) -> Ctx:
    return Ctx(step=step, total_steps=40, seed=0, pool=POOL, store=new_store(), round=round)


def outcomes(correct: int, size: int) -> list[bool]:
    return [i < correct for i in range(size)]


def reasons(part: Balanced | VCRL | DynamicSampling, size: int, *, step: int = 0) -> list[str]:
    return [part.filter_group(ctx(step), group_of(outcomes(k, size))).reason for k in range(size + 1)]


def test_the_band_keeps_two_to_six_of_eight() -> None:
    assert reasons(Balanced(), 8) == ["all_wrong", "too_hard", "", "", "", "", "", "too_easy", "all_correct"]


def test_the_band_of_eight_keeps_what_the_formula_says() -> None:
    kept = [k for k, reason in enumerate(reasons(Balanced(), 8)) if not reason]
    for p, share in ((0.1, 0.1869), (0.2, 0.4966), (0.5, 0.9297)):
        assert sum(comb(8, k) * p**k * (1 - p) ** (8 - k) for k in kept) == pytest.approx(share, abs=5e-5)


@pytest.mark.parametrize(("size", "low"), [(5, 1), (10, 2), (15, 3), (20, 4), (25, 5)])
def test_bounds_belong_to_the_band_only_if_inclusive(size: int, low: int) -> None:
    """low * G is a whole number here, and k / G need not be the same float as .2 or .8."""
    closed, open_ = reasons(Balanced(), size), reasons(Balanced(inclusive=False), size)
    assert not closed[low] and not closed[size - low] and closed[low - 1]
    assert open_[low] == "too_hard" and open_[size - low] == "too_easy" and not open_[low + 1]


def test_a_band_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match=r"low=0\.8 must be below high=0\.2"):
        Balanced(low=0.8, high=0.2)


def test_dynamic_sampling_judges_outcomes_or_reward_values() -> None:
    assert reasons(DynamicSampling(), 4) == ["all_wrong", "", "", "", "all_correct"]
    # The rewards of group_of are .5, 1.5, 2.5, ...: never the same, whatever is right.
    assert reasons(DynamicSampling(metric="reward"), 4) == [""] * 5
    assert DynamicSampling().filter_group(ctx(), group_of([True])).reason == "all_correct"
    assert DynamicSampling(metric="reward").filter_group(ctx(), group_of([False])).reason == "all_wrong"


def test_normalised_variance_of_eight() -> None:
    values = [normalised_variance(k, 8) for k in range(9)]
    assert values == [0, 0.4375, 0.75, 0.9375, 1, 0.9375, 0.75, 0.4375, 0]
    assert normalised_variance(1, 1) == 0
    for size in range(2, 12):  # the closed forms of the largest unbiased variance, even and odd
        largest = size / (4 * (size - 1)) if size % 2 == 0 else (size + 1) / (4 * size)
        for k in range(size + 1):
            assert normalised_variance(k, size) == pytest.approx(
                k * (size - k) / (size * (size - 1)) / largest
            )


def test_vcrl_tightens_its_threshold() -> None:
    part = VCRL(threshold=0.3, late_threshold=0.8, late_from=0.5)
    assert reasons(part, 8, step=19) == ["all_wrong", *[""] * 7, "all_correct"]
    late = [
        "all_wrong",
        "low_variance",
        "low_variance",
        "",
        "",
        "",
        "low_variance",
        "low_variance",
        "all_correct",
    ]
    assert reasons(part, 8, step=20) == late


def test_vcrl_bank_weighs_refills_only_and_forgets_what_fell_below() -> None:
    part, where = VCRL(momentum=0.5), np.arange(20)
    assert part.prompt_logits(ctx(1, round=1), where) is None, "an empty bank has no opinion"
    part.observe(ctx(0), [stat(3, n=8, correct=4), stat(4, n=8, correct=1), stat(5, n=8, correct=8)])
    assert part.metrics() == {"vcrl_bank_prompts": 2.0}
    assert part.prompt_logits(ctx(1), where) is None, "plans are the sampler's"
    weights = part.prompt_logits(ctx(1, round=1), where)
    assert weights is not None
    assert np.exp(weights[[3, 4]]) == pytest.approx([1, 0.4375])
    assert set(weights[np.delete(where, [3, 4])]) == {-50.0}
    part.observe(ctx(1), [stat(3, n=8, correct=8), stat(4, n=8, correct=0)])
    assert json.loads(json.dumps(part.state_dict())) == {"bank": [["p3", 0.5]]}, (
        ".5 x 1 stays, .5 x .4375 leaves"
    )
    other = VCRL(momentum=0.5)
    other.load_state_dict(part.state_dict())
    part.observe(ctx(2), [stat(3, n=8, correct=4)])
    other.observe(ctx(2), [stat(3, n=8, correct=4)])
    assert other.state_dict() == part.state_dict() == {"bank": [["p3", 0.75]]}


def test_vcrl_bank_is_bounded() -> None:
    part = VCRL(bank_size=2)
    part.observe(ctx(), [stat(i, n=8, correct=c) for i, c in ((0, 1), (1, 4), (2, 3))])
    assert part.state_dict() == {"bank": [["p1", 1.0], ["p2", 0.9375]]}


def test_pods_example() -> None:
    rewards = np.array([0, 0, 0, 0, 0, 0.2, 0.5, 1])
    kept = max_variance_subset(rewards, 4)
    assert rewards[kept].tolist() == [0, 0, 0, 1]
    assert rewards[kept].var() == pytest.approx(0.1875)


def test_pods_takes_half_of_each_outcome_where_it_can() -> None:
    for correct, right in ((4, 2), (2, 2), (1, 1), (7, 3), (0, 0), (8, 4)):
        rewards = np.array(outcomes(correct, 8), dtype=float)
        assert rewards[max_variance_subset(rewards, 4)].sum() == right


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_pods_equals_brute_force(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 8))
    keep = data.draw(st.integers(2, size))
    rewards = np.array(
        data.draw(st.lists(st.sampled_from([-1.0, 0.0, 0.2, 0.5, 1.0]), min_size=size, max_size=size))
    )
    kept = max_variance_subset(rewards, keep)
    assert len(set(kept.tolist())) == keep and kept.tolist() == sorted(kept.tolist())
    best = max(rewards[list(chosen)].var() for chosen in itertools.combinations(range(size), keep))
    assert rewards[kept].var() == pytest.approx(best, abs=1e-9)


def test_pods_sizes_and_figures() -> None:
    assert [Pods(share=0.5).num_kept(n) for n in (1, 2, 3, 4, 7, 8)] == [1, 2, 2, 2, 4, 4]
    assert [Pods(keep=4).num_kept(n) for n in (2, 4, 28)] == [2, 4, 4]
    part = Pods(keep=4)
    assert part.filter_group(ctx(), group_of(outcomes(2, 4))) == TRAIN
    assert part.filter_group(ctx(), group_of(outcomes(3, 6))).indices == (
        0,
        1,
        4,
        5,
    ), "rewards .5 to 5.5: two lowest, two highest"
    part.observe(ctx(), [stat(0, n=8, correct=4), stat(1, n=8, correct=0)])
    assert part.metrics() == {"pods_trained_share": 4 / 16}
    other = Pods(keep=4)
    other.load_state_dict(json.loads(json.dumps(part.state_dict())))
    assert other.metrics() == part.metrics()


def test_partial_credit_keeps_a_group_without_success_and_nothing_else_changes() -> None:
    graded, flat, right = (group_of(outcome) for outcome in ([False] * 3, [False] * 3, [True] * 3))
    graded, flat = with_rewards(graded, [0.0, 0.5, 0.5]), with_rewards(flat, [0.1] * 3)
    right = with_rewards(right, [1.0, 1.5, 1.0])
    mixed = MixedOutcomes()
    assert [mixed.filter_group(ctx(), group).reason for group in (graded, flat, right)] == [
        "",
        "all_wrong",
        "all_correct",
    ]
    strict = MixedOutcomes(partial_credit=False), DynamicSampling()
    assert [part.filter_group(ctx(), graded).reason for part in strict] == ["all_wrong"] * 2


def with_rewards(group: RolloutGroup, values: list[float]) -> RolloutGroup:
    made = (
        replace(r, result=replace(r.result, value=value))
        for r, value in zip(group.rollouts, values, strict=True)
    )
    return replace(group, rollouts=tuple(made))
