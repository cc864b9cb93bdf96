"""The posterior view of the statistics store: hand-computed values, live stream, resume, lengths."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.belief.posterior import PosteriorStore, updated
from planner.belief.prior import CategoryPrior, PriorConfig, fit_priors, whole_counts
from planner.verifiers.verifier import VerifierSpec
from rollout.lengths import BINS_PER_DOUBLING, NUM_BINS
from rollout.statistics import StatisticsStore
from tests.unit.planner.streams import KEY, stat, stream


def filled(rates: dict[str, list[float]], **more: Any) -> StatisticsStore:
    store = StatisticsStore([], sampling_key=KEY)
    for one in stream(rates, **more):
        store.add(one)
    return store


def test_counts_decay_into_the_posterior() -> None:
    """docs/methods/posteriors.md#posterior-of-a-prompt: groups of 8 with 2, 4, 6 right under versions 0, 1,
    2: s = 11.22, f = 10.46 at a decay of .9."""
    store = StatisticsStore([], sampling_key=KEY, discount=0.9)
    for version, right in enumerate((2, 4, 6)):
        store.add(stat("p", right, version=version, group_id=version))
    post = PosteriorStore(store, config=PriorConfig(default=CategoryPrior(0.5, 2.0))).of_prompts(
        ["p", "new"], ["sums", "sums"]
    )
    assert post.a == pytest.approx([11.72, 0.5])
    assert post.b == pytest.approx([12.46, 2.0])
    assert post.ess == pytest.approx([21.68, 0.0])


def test_each_category_has_its_own_prior_and_small_ones_share() -> None:
    rng = np.random.default_rng(0)
    store = filled(
        {"easy": rng.beta(8, 2, 60).tolist(), "hard": rng.beta(0.5, 8, 60).tolist(), "new": [0.5] * 3},
        samples=32,
    )
    posteriors = PosteriorStore(store, config=PriorConfig())
    assert posteriors.prior("easy").mean == pytest.approx(0.8, abs=0.07)
    assert posteriors.prior("hard").mean == pytest.approx(0.06, abs=0.04)
    assert posteriors.prior("new") == posteriors.prior("never seen")
    assert posteriors.prior("new") not in (posteriors.prior("easy"), posteriors.prior("hard"))


def test_posterior_means_lie_between_prior_and_raw_rate() -> None:
    rng = np.random.default_rng(1)
    store = filled({"c": rng.beta(1, 3, 80).tolist()}, samples=8)
    posteriors = PosteriorStore(store, config=PriorConfig())
    seen = store.observed()
    post = posteriors.of_prompts(seen.prompts, ["c"] * len(seen.prompts))
    raw = seen.successes / (seen.successes + seen.failures)
    prior = posteriors.prior("c").a / (posteriors.prior("c").a + posteriors.prior("c").b)
    mean = post.a / (post.a + post.b)
    assert (mean >= np.minimum(raw, prior) - 1e-9).all()
    assert (mean <= np.maximum(raw, prior) + 1e-9).all()


def test_impossible_prompts_are_told_apart_once_the_data_ask_for_it() -> None:
    rng = np.random.default_rng(2)
    store = filled({"c": [0.0] * 60 + rng.beta(4, 4, 60).tolist()}, samples=64)
    post = PosteriorStore(store, config=PriorConfig()).of_prompts(["c-0", "c-100", "unseen"], ["c"] * 3)
    assert post.zero[0] > 0.95
    assert post.zero[1] == 0
    assert 0.3 < post.zero[2] < 0.6
    some = updated(np.array([1.0]), np.array([1.0]), np.array([0.5]), np.array([0.0]), np.array([3.0]))
    assert some.zero == pytest.approx([0.5 / (0.5 + 0.5 * 0.25)])


def test_a_verifiers_errors_are_taken_out() -> None:
    store = StatisticsStore([], sampling_key=KEY)
    store.add(stat("p", 24, n=100))
    config = PriorConfig(default=CategoryPrior(1e-6, 1e-6))
    post = PosteriorStore(store, config=config, verifier=VerifierSpec(fpr=0.05)).of_prompts(["p"], ["sums"])
    assert post.a / (post.a + post.b) == pytest.approx([0.2], abs=1e-6)


def test_refits_follow_updates_and_growth() -> None:
    store = filled({"c": [0.5] * 10}, samples=8)
    posteriors = PosteriorStore(store, config=PriorConfig(every=20))
    assert posteriors.refresh()
    assert not posteriors.refresh()
    store.add(stat("late", 3, version=19, group_id=900))
    assert not posteriors.refresh()
    store.add(stat("late", 3, version=20, group_id=901))
    assert posteriors.refresh()
    for i in range(11):
        store.add(stat(f"more-{i}", 3, version=20, group_id=910 + i))
    assert posteriors.refresh(), "the prompts doubled"


def test_state_survives_json() -> None:
    store = filled({"c": np.random.default_rng(3).beta(1, 3, 30).tolist()}, samples=8)
    posteriors = PosteriorStore(store, config=PriorConfig())
    posteriors.refresh()
    again = PosteriorStore(store, config=PriorConfig())
    again.load_state_dict(json.loads(json.dumps(posteriors.state_dict())))
    assert again.prior("c") == posteriors.prior("c")
    assert not again.refresh()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0.1, 20)), min_size=1, max_size=30))
def test_whole_counts_keep_the_totals(pairs: list[tuple[float, float]]) -> None:
    right, wrong = (np.array(column) for column in zip(*pairs, strict=True))
    n, c = whole_counts(right, wrong)
    assert (c >= 0).all()
    assert (c <= n).all()
    assert abs(c.sum() - right.sum()) <= 0.5 + 1e-9
    assert abs((n - c).sum() - wrong.sum()) <= 0.5 + 1e-9


def test_faded_rare_successes_are_not_rounded_away() -> None:
    """A hundred prompts with .4 of a success each: rounded by themselves they would make a category of rate
    0."""
    prior, _ = fit_priors(
        np.full(100, 0.4), np.full(100, 19.6), np.zeros(100, dtype=np.int64), config=PriorConfig()
    )
    assert prior.mean == pytest.approx(0.02, rel=0.1)


# -- lengths -------------------------------------------------------------------------------------------------


def test_lengths_given_right_and_wrong() -> None:
    store = StatisticsStore([], sampling_key=KEY, discount=0.5)
    store.add(stat("p", 2, n=3, correct_lengths=(10, 12), wrong_lengths=(40,), version=0))
    store.add(stat("q", 1, n=2, correct_lengths=(20,), wrong_lengths=(64,), version=1))
    profile = store.lengths("sums")
    assert profile.mean_correct == pytest.approx((0.5 * 22 + 20) / (0.5 * 2 + 1))
    assert profile.mean_wrong == pytest.approx((0.5 * 40 + 64) / 1.5)
    assert profile.counts.shape == (2, NUM_BINS)
    assert profile.counts[1, int(BINS_PER_DOUBLING * np.log2(64))] == pytest.approx(1.0)
    assert profile.quantile(0.5) == pytest.approx(2**4.5)
    assert np.isnan(store.lengths("never").mean_correct)


def test_lengths_and_categories_survive_a_restore() -> None:
    store = filled({"a": [0.5] * 5, "b": [0.1] * 5}, samples=8)
    again = StatisticsStore([], sampling_key=KEY)
    again.load_state_dict(json.loads(json.dumps(store.state_dict())))
    assert np.array_equal(again.lengths("a").counts, store.lengths("a").counts)
    assert again.category_of(np.arange(10)) == ["a"] * 5 + ["b"] * 5
    assert json.dumps(again.state_dict()) == json.dumps(store.state_dict())
    assert again.observed().prompts == store.observed().prompts
