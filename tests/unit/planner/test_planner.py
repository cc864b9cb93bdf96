"""The planner as a whole: plans, training targets, and the invariants of
docs/methods/allocation.md#invariants."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.allocation.demand import Unknown
from planner.estimators.bootstrap import bootstrap_mean
from planner.estimators.pass_at_k import pass_at_k
from planner.planner import Planner, PlannerConfig
from planner.training.targets import (
    Estimator,
    TargetConfig,
    TargetTracker,
    make_targets,
    passk_weight,
    sequential_weight,
)
from planner.types import Query
from planner.verifiers.verifier import VerifierSpec
from rollout.statistics import StatisticsStore
from tests.unit.planner.streams import KEY, stat, stream

PERFECT = VerifierSpec()
RATES = {"easy": [0.9, 0.8, 0.95] * 5, "hard": [0.02, 0.1, 0.0] * 5}


def planner_of(
    rates: dict[str, list[float]] = RATES, *, samples: int = 8, tokens: int = 10, **config: object
) -> Planner:
    planner = Planner(StatisticsStore([], sampling_key=KEY), config=PlannerConfig(**config))
    for one in stream(rates, samples=samples, tokens=tokens):
        planner.observe(one)
    return planner


def test_reading_a_log_twice_gives_the_same_state() -> None:
    log = stream(RATES, samples=8, versions=100)
    planner = Planner(StatisticsStore([], sampling_key=KEY))
    assert all(planner.observe(one) for one in log)
    before = json.dumps([planner.state_dict(), planner.store.state_dict()])
    assert not any(planner.observe(one) for one in log)
    assert json.dumps([planner.state_dict(), planner.store.state_dict()]) == before


def test_state_survives_a_restart_and_plans_alike() -> None:
    planner = planner_of()
    queries = [Query(id=f"{c}-{i}", category=c) for c in RATES for i in range(3)]
    planner.train_targets(40, group_size=8)
    saved = json.loads(json.dumps({"planner": planner.state_dict(), "store": planner.store.state_dict()}))
    again = Planner(StatisticsStore([], sampling_key=KEY))
    again.store.load_state_dict(saved["store"])
    again.load_state_dict(saved["planner"])
    first, second = (p.plan(queries, 500, verifier=PERFECT) for p in (planner, again))
    assert first.k.tolist() == second.k.tolist()
    assert planner.train_targets(40, group_size=8) == again.train_targets(40, group_size=8)
    with pytest.raises(ValueError, match="version 9"):
        again.load_state_dict(saved["planner"] | {"state_version": 9})


@settings(max_examples=25, deadline=None)
@given(
    st.floats(50, 5000),
    st.sampled_from(["parallel", "sequential"]),
    st.sampled_from([None, PERFECT, VerifierSpec(fpr=0.05), VerifierSpec(fpr=0.05, tpr=0.8)]),
    st.floats(0, 2),
)
def test_every_mode_keeps_to_the_budget(
    budget: float, mode: str, verifier: VerifierSpec | None, loss: float
) -> None:
    queries = [Query(id=f"{c}-{i}", category=c, prefill=3.0) for c in RATES for i in range(4)]
    plan = PLANNER.plan(queries, budget, mode=mode, verifier=verifier, loss=loss)  # hypothesis widens it
    assert plan.tokens.sum() <= budget * (1 + 1e-9)
    assert (plan.correct + plan.wrong <= 1 + 1e-9).all()
    assert (plan.correct <= plan.coverage + 2e-3).all(), "votes are interpolated between 129 points"
    low, high = plan.interval
    assert low <= plan.correct.mean() <= high


PLANNER = planner_of()


def test_sequential_plans_reach_more_for_the_same_tokens() -> None:
    queries = [Query(id=f"{c}-{i}", category=c) for c in RATES for i in range(15)]
    together, one_by_one = (
        PLANNER.plan(queries, 1500, mode=m, verifier=PERFECT) for m in ("parallel", "sequential")
    )
    assert one_by_one.correct.sum() > together.correct.sum()


def test_easy_queries_get_few_samples_and_unknown_ones_at_least_one() -> None:
    plan = PLANNER.plan(
        [Query(id="easy-0", category="easy"), Query(id="hard-1", category="hard")], 200, verifier=PERFECT
    )
    assert 0 < plan.k[0] < plan.k[1]
    fresh = Planner(StatisticsStore([], sampling_key=KEY), config=PlannerConfig(unknown=Unknown(tokens=5)))
    assert fresh.plan([Query(id="x"), Query(id="y", weight=0.0)], 10, verifier=PERFECT).k.tolist() == [1, 1]
    with pytest.raises(ValueError, match="do not pay"):
        fresh.plan([Query(id="x"), Query(id="y")], 9, verifier=PERFECT)


def test_a_probes_prior_replaces_the_categorys_and_outcomes_stay() -> None:
    queries = [
        Query(id="hard-1", category="hard", prior=(5.0, 1.0)),
        Query(id="new", category="hard", prior=(5.0, 1.0)),
    ]
    from planner.allocation.demand import demand_of

    demand = demand_of(queries, PLANNER.posteriors, PLANNER.config.unknown)
    successes, failures = PLANNER.store.counts(np.array([PLANNER.store.index_of("hard-1")]))
    assert demand.posterior.a == pytest.approx([5.0 + successes[0], 5.0])
    assert demand.posterior.b == pytest.approx([1.0 + failures[0], 1.0])


def test_votes_where_there_is_no_verifier() -> None:
    plan = PLANNER.plan([Query(id="easy-0", category="easy"), Query(id="hard-2", category="hard")], 300)
    assert set(plan.strategy) == {"majority"}
    assert plan.k[0] > plan.k[1], "votes on hopeless queries are worth nothing"
    assert plan.wrong[0] == pytest.approx(1 - plan.correct[0])


def test_bad_calls_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        PLANNER.plan([], 10)
    with pytest.raises(ValueError, match="token_budget is 0"):
        PLANNER.plan([Query(id="x")], 0)
    with pytest.raises(ValueError, match="nothing was observed"):
        Planner(StatisticsStore([], sampling_key=KEY)).train_targets(40, group_size=8)


def test_forecasts_lie_in_the_interval_of_the_unbiased_estimate() -> None:
    """docs/methods/allocation.md#invariants: on at least 90% of categories, here 20 of 60 prompts with 16
    samples, pass@8."""
    rng = np.random.default_rng(0)
    rates = {}
    for i in range(20):
        a, b = rng.uniform(0.3, 3, 2)
        rates[f"c{i}"] = rng.beta(a, b, 60).tolist()
    log = stream(rates, samples=16)
    planner = Planner(StatisticsStore([], sampling_key=KEY))
    for one in log:
        planner.observe(one)
    inside = 0
    for name, (forecast,) in planner.forecast([8]).items():
        right = [s.num_correct for s in log if s.category == name]
        interval = bootstrap_mean(pass_at_k(16, right, 8), resamples=1000)
        inside += interval.low <= forecast <= interval.high
    assert inside >= 18


def test_posteriors_by_prompt_and_by_category() -> None:
    prompt, category = PLANNER.posterior("easy-0"), PLANNER.posterior("easy")
    assert float(prompt.ess) == 8
    assert float(category.ess) == 8 * 15
    assert float(PLANNER.posterior("never met").ess) == 0


# -- training targets ----------------------------------------------------------------------------------------


def test_the_closed_form_deployment_gives_k_4() -> None:
    """docs/methods/passk_training.md#the-loop: one category, answers of 10 tokens, 40 tokens a query: k* =
    4."""
    planner = planner_of({"c": [0.4] * 20})
    targets = planner.train_targets(40, group_size=16)
    assert targets.targets["c"].k == 4
    assert targets.targets["c"].estimator is Estimator.LOO_MINUS_ONE
    assert targets.price > 0


def test_abandoned_prompts_keep_a_target() -> None:
    planner = planner_of({"good": [0.5] * 10, "dead": [0.0] * 10}, samples=64)
    targets = planner.train_targets(5, group_size=8, level="prompt")
    assert targets.share_abandoned > 0
    assert min(t.k for t in targets.targets.values()) == 1
    weights = [t.weight for t in targets.targets.values()]
    assert min(weights) >= 0.1
    assert max(weights) <= 8


def test_targets_move_slowly_and_only_past_the_dead_band() -> None:
    tracker = TargetTracker(TargetConfig())
    assert tracker.update(["x"], [4]) == {"x": 4}
    assert tracker.update(["x"], [8]) == {"x": 4}, "4 * 2^.2 = 4.59 lies within a ratio of 1.25"
    assert tracker.update(["x"], [8]) == {"x": 5}, "4^.64 8^.36 = 5.13"
    other = TargetTracker(TargetConfig())
    other.load_state_dict(json.loads(json.dumps(tracker.state_dict())))
    assert other.update(["x"], [0]) == tracker.update(["x"], [0])
    assert TargetTracker(TargetConfig(k_max=8)).update(["y"], [100]) == {"y": 8}


@pytest.mark.parametrize(("k", "want"), [(1, 1), (2, 1.5), (4, 1.8667), (8, 1.8462), (16, 1.4545)])
def test_posterior_weights(k: int, want: float) -> None:
    """docs/methods/passk_training.md#the-loop, Beta(2, 6)."""
    assert passk_weight(2, 6, k) == pytest.approx(want, abs=1e-4)


def test_sequential_weights() -> None:
    assert sequential_weight(0.2, [1, 4, 10], price=1e-3, tokens=20) == pytest.approx(
        [1.0, 2.1384, 1.6543], abs=1e-4
    )


def test_estimators_by_k_and_annealing() -> None:
    a, b = np.array([2.0, 2, 2]), np.array([6.0, 6, 6])
    targets = make_targets(
        {"x": 1, "y": 4, "z": 5}, a, b, group_size=8, config=TargetConfig(anneal=0.2), progress=0.5
    )
    assert [t.estimator for t in targets.values()] == [
        Estimator.RLOO,
        Estimator.LOO_MINUS_ONE,
        Estimator.POSTERIOR_WEIGHT,
    ]
    late = make_targets(
        {"x": 1, "y": 4, "z": 5}, a, b, group_size=8, config=TargetConfig(anneal=0.2), progress=0.8
    )
    assert {t.k for t in late.values()} == {1}


def test_old_groups_are_not_counted_and_new_ones_are() -> None:
    planner = Planner(StatisticsStore([], sampling_key=KEY, discount=0.5))
    assert planner.observe(stat("p", 3, version=30, group_id=1))
    assert not planner.observe(stat("p", 3, version=1, group_id=2)), "it would weigh 2^-29"
    assert planner.observe(stat("p", 3, version=29, group_id=3))
    assert planner.store.num_observed(np.array([0])).tolist() == [16]
