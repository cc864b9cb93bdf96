"""Statistics that fade with the length budget: by hand, in any order, exactly over a save."""

import itertools
import json

import numpy as np
import pytest

from rollout.statistics import StatisticsStore
from rollout.types import RolloutStat, SamplingConfig

KEY = SamplingConfig().key
WHERE = np.array([0])


def new_store(*, discount: float = 1.0, budget_discount: float = 0.5) -> StatisticsStore:
    return StatisticsStore(["p0", "p1"], sampling_key=KEY, discount=discount, budget_discount=budget_discount)


def stat(n: int, correct: int, *, version: int = 0, prompt: str = "p0") -> RolloutStat:
    return RolloutStat(
        plan_step=version,
        prompt_id=prompt,
        category="c",
        difficulty=0,
        sampling_key=KEY,
        num_rollouts=n,
        num_correct=correct,
        num_truncated=0,
        num_tokens=10 * n,
        min_policy_version=version,
        max_policy_version=version,
        kept=True,
    )


def test_the_clock_counts_halvings_and_doublings() -> None:
    store = new_store()
    clocks = []
    for tokens in (256, 256, 128, 32, 64):
        store.set_budget(tokens)
        clocks.append(store.budget_clock)
    assert clocks == [0, 0, 1, 3, 4]


def test_counts_from_before_a_halving_weigh_half() -> None:
    store = new_store()
    store.set_budget(64)
    store.add(stat(8, 8))
    store.set_budget(32)
    assert store.counts(WHERE)[0] == pytest.approx(4)
    assert store.pass_rate(WHERE, mode="beta") == pytest.approx((4 + 1) / (4 + 2))
    store.add(stat(8, 0))
    assert [float(x[0]) for x in store.counts(WHERE)] == pytest.approx([4, 8])
    assert store.pass_rate(WHERE, mode="decayed") == pytest.approx(4 / 12)
    assert store.num_comparable(WHERE) == pytest.approx(12)
    assert store.num_observed(WHERE).tolist() == [16]
    assert store.categories()["c"].pass_rate == pytest.approx(4 / 12)
    assert store.mean_tokens(WHERE) == pytest.approx(10)


def test_both_discounts_multiply() -> None:
    store = new_store(discount=0.9)
    store.set_budget(64)
    store.add(stat(10, 10, version=0))
    store.set_budget(16)
    store.add(stat(10, 0, version=3))
    assert store.counts(WHERE)[0] == pytest.approx(10 * 0.9**3 * 0.5**2)


def test_the_pooled_window_prefers_what_was_drawn_under_the_present_budget() -> None:
    store = new_store()
    store.set_budget(64)
    store.add(stat(8, 8))
    store.set_budget(32)
    assert store.pass_rate(WHERE) == pytest.approx(1.0), "nothing newer is known"
    store.add(stat(8, 0))
    assert store.pass_rate(WHERE) == pytest.approx(4 / 12), "1/2 without the discount"
    assert store.pass_rate(WHERE, mode="last_visit") == pytest.approx(0.0)


def test_without_a_discount_budgets_change_nothing() -> None:
    store = new_store(budget_discount=1.0)
    store.set_budget(64)
    store.add(stat(8, 8))
    store.set_budget(1)
    store.add(stat(8, 0))
    assert store.counts(WHERE)[0] == 8 and store.num_comparable(WHERE) == 16
    assert store.pass_rate(WHERE) == pytest.approx(0.5)


def test_the_order_of_arrival_does_not_matter() -> None:
    """Versions and clocks as a run stamps them; the last one is as late as can be in some of the orders."""
    arrivals = [
        (stat(8, 8, version=0), 0.0),
        (stat(4, 1, version=2), 1.0),
        (stat(8, 2, version=3), 1.0),
        (stat(6, 3, version=5), 2.5),
    ]
    seen = []
    for order in itertools.permutations(arrivals):
        store = new_store(discount=0.8)
        store.set_budget(100)
        store.set_budget(100 / 2**2.5)
        for observation, clock in order:
            store.add(observation, budget_clock=clock)
        counts = [float(x[0]) for x in store.counts(WHERE)]
        seen.append([*counts, float(store.num_comparable(WHERE)[0])])
    weights = [0.8**5 * 0.5**2.5, 0.8**3 * 0.5**1.5, 0.8**2 * 0.5**1.5, 1]
    successes = sum(w * s.num_correct for w, (s, _) in zip(weights, arrivals, strict=True))
    comparable = 8 * 0.5**2.5 + 12 * 0.5**1.5 + 6
    assert np.allclose(np.array(seen)[:, 0], successes) and np.allclose(np.array(seen)[:, 2], comparable)
    assert np.ptp(np.array(seen), axis=0).max() < 1e-12


def test_saving_in_the_middle_changes_no_bit() -> None:
    straight = new_store(discount=0.9)
    resumed = new_store(discount=0.9)
    rng = np.random.default_rng(0)
    for version in range(30):
        budget = float(rng.choice([64, 48, 32]))
        observation = stat(
            8, int(rng.integers(9)), version=max(0, version - int(rng.integers(3))), prompt=f"p{version % 2}"
        )
        for store in (straight, resumed):
            store.set_budget(budget)
            store.add(observation)
        fresh = new_store(discount=0.9)
        fresh.load_state_dict(json.loads(json.dumps(resumed.state_dict())))
        resumed = fresh
    assert json.dumps(resumed.state_dict()) == json.dumps(straight.state_dict())
    both = np.array([0, 1])
    assert resumed.pass_rate(both).tolist() == straight.pass_rate(both).tolist()


def test_other_discounts_than_those_of_the_checkpoint_are_refused() -> None:
    state = new_store(budget_discount=0.5).state_dict()
    with pytest.raises(
        ValueError, match=r"curriculum\.budget_discount was 0\.5 when the statistics were saved, now 0\.25"
    ):
        new_store(budget_discount=0.25).load_state_dict(state)
    with pytest.raises(ValueError, match=r"curriculum\.budget_discount is 0"):
        new_store(budget_discount=0.0)


def test_a_length_budget_is_no_other_sampling_config() -> None:
    run = SamplingConfig(max_tokens=64)
    assert run.limited(16).max_tokens == 16 and run.limited(16).key == run.key
    assert run.limited(100).max_tokens == 64
    assert run.limited(32).limited(16).key == run.key
    assert SamplingConfig(max_tokens=16).key != run.key
