"""The simulated system against closed forms: what it must say where the answer is known."""

import math

import pytest

from rl.simulation.spec import SystemSpec
from rl.simulation.summary import predict, synchronous
from rl.simulation.system import System


def spec(**sections) -> SystemSpec:
    """8 prompts x 4 rollouts of 100 equal tokens at 10 ms: engine and learner need 1 s each."""
    made = {
        "plan": {"prompts_per_step": 8, "rollouts_per_prompt": 4},
        "lengths": {"median": 100, "sigma": 0, "prompt_tokens": 0},
        "engines": {"seconds": {"steps": 0.01}, "max_num_seqs": 32},
        "learner": {"step_s": 1.0},
        "sync": {},
    }
    for name, fields in sections.items():
        made[name] = made.get(name, {}) | fields
    return SystemSpec.model_validate(made)


def test_a_synchronous_step_is_the_sum_of_its_parts() -> None:
    found = predict(spec(plan={"max_staleness": 0}, sync={"publish_s": 0.2, "push_s": 0.3}), steps=5)
    assert found.step_s == pytest.approx(1.0 + 1.0 + 0.2 + 0.3)
    assert found.learner_idle_share == pytest.approx(1.3 / 2.5), "it waits for the push and for rollouts"
    assert (found.staleness_mean, found.staleness_max) == (0, 0)


@pytest.mark.parametrize(("engine_s", "learner_s"), [(1.0, 1.0), (1.0, 0.4), (0.4, 1.0)])
def test_perfect_overlap_is_the_slower_half(engine_s: float, learner_s: float) -> None:
    both = spec(learner={"step_s": learner_s}, engines={"seconds": {"steps": engine_s / 100}})
    found = predict(both, steps=20)
    assert found.step_s == pytest.approx(max(engine_s, learner_s), rel=0.02)
    assert predict(synchronous(both), steps=5).step_s == pytest.approx(engine_s + learner_s)
    assert found.staleness_max <= 1


def test_staleness_stays_in_its_bound_and_fills_it_where_engines_are_fast() -> None:
    found = predict(spec(plan={"max_staleness": 3}, engines={"seconds": {"steps": 1e-4}}), steps=20)
    assert found.staleness_max == 3
    assert found.staleness_mean == pytest.approx(3, abs=0.1)


def test_two_waves_where_the_engine_holds_half_of_a_plan() -> None:
    found = predict(spec(engines={"max_num_seqs": 16}, plan={"max_staleness": 0}), steps=3)
    assert found.step_s == pytest.approx(3.0)


def test_engines_share_a_plan_by_what_they_have_to_do() -> None:
    four = predict(
        spec(engines={"count": 4, "seconds": {"sampled": 0.01 / 32}}, plan={"max_staleness": 0}), steps=3
    )
    assert four.step_s == pytest.approx(1.0 + 0.25)


def test_an_eagerly_updated_engine_loses_nothing_and_one_that_drains_waits() -> None:
    flying = spec(sync={"push_s": 0.1, "prefill_again": False}, plan={"max_staleness": 1})
    draining = spec(
        sync={"push_s": 0.1, "in_flight": False, "prefill_again": False}, plan={"max_staleness": 1}
    )
    assert predict(flying, steps=20).step_s <= predict(draining, steps=20).step_s


def test_turns_on_one_device_are_synchronous_and_pay_for_switching() -> None:
    turns = spec(layout={"kind": "colocated", "switch_s": 0.25}, plan={"max_staleness": 0})
    assert predict(turns, steps=5).step_s == pytest.approx(1 + 1 + 2 * 0.25)
    ahead = spec(layout={"kind": "colocated"}, plan={"max_staleness": 1})
    assert predict(ahead, steps=20).step_s == pytest.approx(2.0, rel=0.02), "no overlap on one device"


def test_a_hybrid_lies_between_split_and_turns() -> None:
    def step_s(**layout) -> float:
        engines = {"count": 2, "seconds": {"sampled": 0.01 / 16}}
        return predict(spec(layout=layout, engines=engines, plan={"max_staleness": 1}), steps=20).step_s

    split, turns = step_s(kind="split"), step_s(kind="colocated")
    # the two engines need 1 s for a plan while nobody stops them; the learner needs 1 s, too
    assert (split, turns) == (pytest.approx(1.0, rel=0.03), pytest.approx(2.0, rel=0.03))
    assert split < step_s(kind="hybrid", shared_engines=1) <= turns + 0.01


def test_cores_are_shared_by_all_who_work() -> None:
    one = spec(layout={"kind": "cores", "cores": 1}, plan={"max_staleness": 1})
    two = spec(layout={"kind": "cores", "cores": 2}, plan={"max_staleness": 1})
    assert predict(one, steps=20).step_s == pytest.approx(2.0, rel=0.03)
    assert predict(two, steps=20).step_s == pytest.approx(1.0, rel=0.03)


def test_refills_take_another_round() -> None:
    found = predict(spec(plan={"max_staleness": 0, "keep_share": 0.5, "refill_rounds": 30}), steps=20)
    # rounds until 8 groups are kept, each with chance 1/2: the mean of the largest of 8 geometric numbers
    rounds = sum(1 - (1 - 0.5**n) ** 8 for n in range(60))
    assert found.step_s == pytest.approx(1.0 + rounds, rel=0.15)
    assert found.discarded_share == pytest.approx(0.5, abs=0.06)
    assert found.counts["short"] == 0


def test_a_drop_without_refills_makes_the_batch_short() -> None:
    system = System(spec(plan={"max_staleness": 0, "keep_share": 0.5}))
    rows = system.run(20)
    assert sum(row.rollouts for row in rows) == 4 * (20 * 8 - system.counts["short"])
    assert 40 < system.counts["short"] < 120


def test_a_tail_costs_a_synchronous_run_more() -> None:
    tail = spec(lengths={"sigma": 1.0, "max_tokens": 2000}, engines={"seconds": {"sampled": 3e-4}})
    gain = predict(synchronous(tail), steps=40).step_s / predict(tail, steps=40).step_s
    even = spec(engines={"seconds": {"sampled": 3e-4}})
    assert (
        gain > 1 and predict(synchronous(even), steps=5).step_s < predict(synchronous(tail), steps=40).step_s
    )


def test_oversampling_cuts_the_tail_off() -> None:
    tail = {"sigma": 1.2, "max_tokens": 4000, "prompt_share": 1.0}
    plain = predict(spec(lengths=tail, plan={"max_staleness": 0}), steps=40)
    over = predict(spec(lengths=tail, plan={"max_staleness": 0, "oversample": 0.5}), steps=40)
    assert over.step_s < 0.8 * plain.step_s
    assert over.discarded_share > 0 and over.counts["cut"] > 0


def test_late_groups_roll_over() -> None:
    tail = {"sigma": 1.2, "max_tokens": 4000, "prompt_share": 1.0}
    found = predict(
        spec(lengths=tail, plan={"max_staleness": 2, "rollover_share": 0.25}, learner={"step_s": 0.1}),
        steps=40,
    )
    assert found.counts["rolled_over"] > 0
    assert found.staleness_max <= 2


def test_arrival_order_throws_away_what_is_too_old() -> None:
    tail = {"sigma": 1.5, "max_tokens": 9000, "prompt_share": 1.0}
    found = predict(
        spec(lengths=tail, plan={"max_staleness": 1, "order": "arrival"}, learner={"step_s": 0.1}), steps=40
    )
    assert found.staleness_max <= 1
    assert found.counts["stale"] > 0 and found.discarded_share > 0


def test_a_full_cache_makes_the_youngest_wait() -> None:
    wide = {"seconds": {"steps": 0.01}, "max_num_seqs": 32}
    tight = System(spec(engines=wide | {"kv_tokens": 1600}, plan={"max_staleness": 0}))
    # 32 sequences hold sum(1..100) x 32 token-steps of 10 ms; a cache of 1600 tokens needs 1.01 s at least
    step = tight.run(1)[0]
    assert step.step_s > 1.0 + 1.01 and step.rollouts == 32
    assert tight.engines[0].preemptions > 0


def test_verifiers_are_a_queue() -> None:
    # 32 completions come at once to 4 workers of 0.25 s: the last verdict comes after 8 rounds
    found = predict(spec(plan={"max_staleness": 0}, verifiers={"workers": 4, "seconds": 0.25}), steps=3)
    assert found.step_s == pytest.approx(1.0 + 1.0 + 8 * 0.25)


def test_a_straggler_sets_the_pace_of_a_synchronous_step() -> None:
    slow = spec(
        engines={"count": 4},
        faults={"slow_share": 0.25, "slow_factor": 3.0},
        plan={"max_staleness": 0, "prompts_per_step": 8},
    )
    assert predict(slow, steps=3).step_s == pytest.approx(1.0 + 3.0)


def test_lost_engines_cost_their_groups_and_come_back() -> None:
    frail = spec(
        engines={"count": 2},
        faults={"gpu_mtbf_hours": 20 / 3600, "engine_recovery_s": 2.0},
        plan={"max_staleness": 1},
    )
    system = System(frail)
    rows = system.run(60)
    assert system.counts["engine_failures"] >= 3
    assert len(rows) == 60 and all(row.rollouts == 32 for row in rows), "every group is trained once"
    assert max(age for row in rows for age in row.staleness) <= 1
    assert sum(row.step_s for row in rows) > 60


def test_a_push_waits_for_the_plan_in_flight_to_calm_down() -> None:
    calm = spec(plan={"push_at_share": 0.0}, learner={"step_s": 0.2})
    eager = spec(plan={"push_at_share": 1.0}, learner={"step_s": 0.2})
    assert predict(calm, steps=20).step_s >= predict(eager, steps=20).step_s


def test_the_same_seed_gives_the_same_run_and_coarser_stretches_nearly() -> None:
    tail = spec(lengths={"sigma": 0.8, "median": 400, "max_tokens": 4000})
    fine, again = (predict(tail, steps=30, seed=3) for _ in range(2))
    assert fine == again
    assert predict(tail, steps=30, seed=3, stretches=200).step_s == pytest.approx(fine.step_s, rel=0.05)


def test_an_m_d_1_queue() -> None:
    """Poisson arrivals at one engine that takes one sequence at a time: waiting is rho s / 2 (1 - rho)."""
    import numpy as np
    import simpy

    from planner.cost.measured import MeasuredCost, StepWork
    from rl.simulation.engine import Engine
    from rl.simulation.groups import Group
    from rl.simulation.pace import Pace

    env, rng, rho = simpy.Environment(), np.random.default_rng(1), 0.7
    began: dict[int, float] = {}
    times: list[float] = []
    engine = Engine(
        env,
        index=0,
        cost=MeasuredCost(coefficients=StepWork(steps=0.1)),
        max_num_seqs=1,
        kv_tokens=0,
        pace=Pace(env),
        on_done=lambda _, group: times.append(env.now - began[id(group)]),
        stretch=(1, 10),
    )
    kept = []

    def arrivals():
        for _ in range(10_000):
            yield env.timeout(rng.exponential(1 / rho))
            group = Group(plan=0, lengths=[10], prompt=0)
            kept.append(group)
            began[id(group)] = env.now
            engine.send(group)

    env.process(arrivals())
    env.run()
    assert len(times) == 10_000
    assert math.isclose(np.mean(times), 1 + rho / (2 * (1 - rho)), rel_tol=0.07)
