"""The statistics store against hand-computed values and against a plain replay of everything observed."""

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.lengths import NUM_BINS, values_of
from rollout.statistics import StatisticsStore
from rollout.types import RolloutStat

KEY = "t1-p1-m64"
OTHER = "t0.6-p1-m64"


def stat(
    prompt_id: str = "p0", *, n: int = 8, c: int = 0, version: int = 0, key: str = KEY, **extra: Any
) -> RolloutStat:
    values: dict[str, Any] = {
        "plan_step": version,
        "prompt_id": prompt_id,
        "category": "sums",
        "difficulty": 1,
        "sampling_key": key,
        "num_rollouts": n,
        "num_correct": c,
        "num_truncated": 0,
        "num_tokens": 10 * n,
        "min_policy_version": version,
        "max_policy_version": version,
        "kept": True,
    }
    return RolloutStat(**{**values, **extra})


def store_of(*stats: RolloutStat, prompts: int = 4, discount: float = 0.9) -> StatisticsStore:
    store = StatisticsStore([f"p{i}" for i in range(prompts)], sampling_key=KEY, discount=discount)
    for one in stats:
        store.add(one)
    return store


def test_counts_fade_by_policy_version() -> None:
    """docs/methods/stack.md#pass-rates: discount .9, groups of 8 with 2, 4, 6 successes."""
    store = store_of(*(stat(c=c, version=v) for v, c in enumerate((2, 4, 6))))
    successes, failures = store.counts(np.array([0]))
    assert successes == pytest.approx([11.22])
    assert failures == pytest.approx([10.46])


def test_decay_reaches_rows_that_were_not_touched() -> None:
    store = store_of(stat("p0", c=4), stat("p1", c=8, version=3))
    successes, failures = store.counts(np.array([1, 0, 2]))
    assert successes == pytest.approx([8, 4 * 0.9**3, 0])
    assert failures == pytest.approx([0, 4 * 0.9**3, 0])


def test_the_order_of_arrival_does_not_change_the_counts() -> None:
    stats = [stat(c=2, version=0), stat(c=5, version=4), stat(c=7, version=2)]
    forward, backward = store_of(*stats), store_of(*reversed(stats))
    assert forward.counts(np.array([0]))[0] == pytest.approx([5 + 7 * 0.9**2 + 2 * 0.9**4])
    assert backward.counts(np.array([0]))[0] == pytest.approx(forward.counts(np.array([0]))[0])


def test_pass_rate_modes() -> None:
    store = store_of(stat(c=2, version=0), stat(c=6, version=1))
    one = np.array([0])
    assert store.pass_rate(one, mode="last_visit") == pytest.approx([6 / 8])
    assert store.pass_rate(one, mode="pooled16") == pytest.approx([8 / 16])
    assert store.pass_rate(one, mode="decayed") == pytest.approx([7.8 / 15.2])
    assert store.pass_rate(one, mode="beta") == pytest.approx([8.8 / 17.2])


def test_pooling_takes_the_newest_sixteen_and_a_share_of_the_visit_that_does_not_fit() -> None:
    store = store_of(stat(n=8, c=8), stat(n=10, c=5), stat(n=4, c=0))
    # newest first: 4 of 4 rollouts (0 right), 10 of 10 (5 right), 2 of 8 (all right): 7 / 16
    assert store.pass_rate(np.array([0]), mode="pooled16") == pytest.approx([7 / 16])


def test_a_large_last_visit_is_used_whole() -> None:
    store = store_of(stat(n=8, c=8), stat(n=20, c=5))
    assert store.pass_rate(np.array([0]), mode="pooled16") == pytest.approx([5 / 20])


def test_the_visit_ring_keeps_the_newest() -> None:
    store = store_of(*[stat(n=2, c=2)] * 3, *[stat(n=2, c=0)] * 8)
    assert store.pass_rate(np.array([0]), mode="pooled16").tolist() == [0.0]
    assert store.num_observed(np.array([0])).tolist() == [22]


def test_unseen_is_not_unsolvable() -> None:
    store = store_of(stat("p1", c=0))
    both = np.array([0, 1])
    assert store.num_observed(both).tolist() == [0, 8]
    for mode in ("decayed", "last_visit", "pooled16"):
        rates = store.pass_rate(both, mode=mode)
        assert np.isnan(rates[0])
        assert rates[1] == 0.0
    assert store.pass_rate(both, mode="beta") == pytest.approx([0.5, 0.1])


def test_sampling_configs_are_never_pooled() -> None:
    store = store_of(stat(c=8), stat(c=0, key=OTHER), stat("p1", c=1, key=OTHER))
    both = np.array([0, 1])
    assert store.pass_rate(both)[0] == 1.0
    assert store.num_observed(both).tolist() == [8, 0]
    assert store.pass_rate(both, sampling_key=OTHER).tolist() == [0.0, 1 / 8]
    assert store.num_observed(both, sampling_key="never used").tolist() == [0, 0]
    assert store.categories()["sums"].num_observed == 8
    assert store.categories(sampling_key=OTHER)["sums"].num_observed == 16


def test_truncated_counts_as_wrong_unless_its_reward_said_otherwise() -> None:
    store = store_of(stat(n=8, c=2, num_truncated=6))
    assert store.pass_rate(np.array([0])).tolist() == [0.25]
    assert store.categories()["sums"].truncated == 6


def test_category_aggregates_and_lengths() -> None:
    store = store_of(
        stat("p0", n=4, c=1, num_tokens=40),
        stat("p1", n=4, c=3, num_tokens=80, version=1),
        stat("p2", n=2, c=0, category="words", version=1),
    )
    sums = store.categories()["sums"]
    assert sums.successes == pytest.approx(0.9 * 1 + 3)
    assert sums.failures == pytest.approx(0.9 * 3 + 1)
    assert sums.pass_rate == pytest.approx(3.9 / 7.6)
    assert sums.tokens == pytest.approx(0.9 * 40 + 80)
    assert sorted(store.categories()) == ["sums", "words"]
    lengths = store.mean_tokens(np.array([0, 1, 3]))
    assert lengths[:2] == pytest.approx([10, 20])
    assert np.isnan(lengths[2])


def test_ids_outside_the_pool_get_the_next_indices() -> None:
    store = store_of(stat("p0", c=1), stat("held-out", c=8), prompts=2)
    assert store.index_of("held-out") == 2
    assert store.pass_rate(np.array([2, 1, 0]))[0] == 1.0
    with pytest.raises(ValueError, match=r"0\.\.2"):
        store.pass_rate(np.array([3]))


@pytest.mark.parametrize(("n", "c"), [(0, 0), (4, 5), (4, -1)])
def test_what_is_no_observation_is_refused(n: int, c: int) -> None:
    with pytest.raises(ValueError, match="no observation"):
        store_of(stat(n=n, c=c))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="discount"):
        store_of(discount=0.0)
    with pytest.raises(ValueError, match="not unique"):
        StatisticsStore(["a", "a"], sampling_key=KEY)


OBSERVATIONS = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.integers(1, 20),
        st.integers(0, 20),
        st.integers(0, 9),
        st.sampled_from([KEY, OTHER]),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(OBSERVATIONS, st.integers(0, 60))
def test_resume_is_exact(observations: list[tuple[int, int, int, int, str]], cut: int) -> None:
    stats = [stat(f"p{i}", n=n, c=min(c, n), version=v, key=key) for i, n, c, v, key in observations]
    straight = store_of(*stats)
    first = store_of(*stats[:cut])
    resumed = StatisticsStore([f"p{i}" for i in range(4)], sampling_key=KEY)
    resumed.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert resumed.state_dict() == first.state_dict()
    for one in stats[cut:]:
        resumed.add(one)
    assert resumed.state_dict() == straight.state_dict()


@settings(max_examples=60, deadline=None)
@given(OBSERVATIONS)
def test_equals_a_replay_of_the_whole_history(observations: list[tuple[int, int, int, int, str]]) -> None:
    stats = [stat(f"p{i}", n=n, c=min(c, n), version=v, key=key) for i, n, c, v, key in observations]
    store = store_of(*stats, prompts=7)
    everyone = np.arange(7)
    now = max((s.min_policy_version for s in stats), default=0)
    for key in (KEY, OTHER):
        successes, failures = store.counts(everyone, sampling_key=key)
        for i in range(7):
            mine = [s for s in stats if s.prompt_id == f"p{i}" and s.sampling_key == key]
            weights = [0.9 ** (now - s.min_policy_version) for s in mine]
            assert successes[i] == pytest.approx(
                sum(w * s.num_correct for w, s in zip(weights, mine, strict=True))
            )
            assert failures[i] == pytest.approx(
                sum(w * (s.num_rollouts - s.num_correct) for w, s in zip(weights, mine, strict=True))
            )
            assert store.num_observed(np.array([i]), sampling_key=key)[0] == sum(s.num_rollouts for s in mine)


def test_a_checkpoint_survives_a_reordered_pool_but_not_another_discount() -> None:
    store = store_of(stat("p3", c=6), prompts=4)
    reordered = StatisticsStore(["p3", "p2", "p1", "p0", "new"], sampling_key=KEY)
    reordered.load_state_dict(store.state_dict())
    assert reordered.pass_rate(np.array([0])).tolist() == [0.75]
    assert reordered.num_observed(np.array([1, 4])).tolist() == [0, 0]
    with pytest.raises(ValueError, match=r"discount was 0\.9"):
        StatisticsStore(["p3"], sampling_key=KEY, discount=0.5).load_state_dict(store.state_dict())


def test_a_query_costs_what_it_asks_for_not_what_the_pool_holds() -> None:
    """A Python pass over a million prompts takes hundreds of milliseconds; a gather of 256 must not depend on
    the pool."""
    store = StatisticsStore([str(i) for i in range(1_000_000)], sampling_key=KEY)
    asked = np.arange(0, 1_000_000, 4000)
    for i in asked:
        store.add(stat(str(i), c=3))
    started = time.perf_counter()
    for _ in range(20):
        assert store.pass_rate(asked).tolist() == [0.375] * 250
    assert (time.perf_counter() - started) / 20 < 0.05


@pytest.mark.parametrize(
    "tokens", [0, 1, 2, 3, 4, 5, 6, 8, 11, 12, 16, 1023, 1024, 1448, 1449, 46340, 46341, 10**6]
)
def test_a_length_falls_into_the_half_doubling_that_holds_it(tokens: int) -> None:
    right, wrong = values_of(stat(c=1, correct_lengths=(tokens,), wrong_lengths=(7, 7))).reshape(2, -1)
    place, counted = int(right[:-1].argmax()), max(tokens, 1)
    # 2**(j/2) <= n < 2**((j+1)/2), squared
    assert 2**place <= counted**2 and (counted**2 < 2 ** (place + 1) or place == NUM_BINS - 1)
    assert (right[:-1].sum(), right[-1]) == (1, counted) and (wrong[5], wrong[-1]) == (2, 14)
