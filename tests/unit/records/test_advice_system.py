"""Rules about the system: each speaks of a run that has its symptom, and of none that comes near it."""

from collections.abc import Mapping

import pytest

from rl.records.advisories import EARLY, HEALTHY, RULES, WINDOW, Advisor, Stall
from rl.records.advisories.base import HEALTHY_SETTINGS
from rl.records.advisories.split import balanced

STARVED = {"time/engine_idle_share": 0.9, "time/learner_idle_share": 0.01}
WAITING = {"time/engine_idle_share": 0.05, "time/learner_idle_share": 0.9}
BUSY = {"buffer/at_bound_share": 0.95, "time/learner_idle_share": 0.02}
RATES = {"curriculum/pass_rate": 0.3, "curriculum/mixed_unseen_ratio": 0.0}

FIRES: list[tuple[str, Mapping[str, float], str]] = [
    ("engines_starved", STARVED, "nothing to sample 90% of the time"),
    ("engines_starved", STARVED, "2 and 2 CPU threads; 1 and 3 would balance them"),
    ("learner_starved", WAITING, "3 and 1 would balance them"),
    ("stale_at_bound", BUSY, "stream.max_staleness"),
    ("slow_sync", {"sync/push_s": 5.0}, "longer than a step (2.0 s)"),
    ("long_queues", {"time/queue_s": 3.0, "time/learner_idle_share": 0.5}, "rollout.max_num_seqs"),
    ("unjudged_samples", {"reward/unjudged": 16.0}, "25% of the samples"),
    ("gap_rising", {"learner/logprob_gap": 0.2}, "sync/probe_gap"),
    ("stale_posteriors", {"planner/posterior_bias": -0.3}, "0.30 below those that are met"),
    ("stale_posteriors", RATES | {"curriculum/mixed_estimate": 0.6}, "the curriculum (mixed)"),
    ("disk_low", {"system/disk_free_gb": 0.5}, "checkpoint.keep"),
    ("disk_low", {"system/disk_left_s": 600.0}, "full in 10 minutes"),
    ("memory_low", {"system/memory_free_share": 0.01}, "rollout.kv_cache_mib"),
    ("memory_low", {"system/memory_free_share": 0.1, "system/memory_left_s": 300.0}, "gone in 5 minutes"),
]
QUIET: list[tuple[str, Mapping[str, float]]] = [
    ("engines_starved", {"time/engine_idle_share": 0.7, "time/learner_idle_share": 0.01}),
    ("engines_starved", {"time/engine_idle_share": 0.9, "time/learner_idle_share": 0.5}),
    ("learner_starved", {"time/engine_idle_share": 0.5, "time/learner_idle_share": 0.9}),
    ("stale_at_bound", BUSY | {"time/learner_idle_share": 0.4}),
    ("slow_sync", {"sync/push_s": 1.9}),
    ("long_queues", {"time/queue_s": 3.0, "time/learner_idle_share": 0.05}),
    ("unjudged_samples", {"reward/unjudged": 1.0}),
    ("gap_rising", {"learner/logprob_gap": 0.04}),
    ("stale_posteriors", {"planner/posterior_bias": -0.1}),
    (
        "stale_posteriors",
        RATES | {"curriculum/mixed_estimate": 0.6, "curriculum/mixed_unseen_ratio": 0.5},
    ),
    ("disk_low", {"system/disk_left_s": 86400.0}),
    ("memory_low", {"system/memory_free_share": 0.4, "system/memory_left_s": 300.0}),
]


def after(symptom: Mapping[str, float], settings: Mapping[str, object] = HEALTHY_SETTINGS) -> dict[str, str]:
    """What is said after a healthy start and a window with the symptom."""
    advisor, said = Advisor(RULES, settings=settings), []
    for step in range(EARLY):
        assert advisor.update(step, HEALTHY) == []
    for step in range(EARLY, EARLY + WINDOW):
        said += advisor.update(step, {**HEALTHY, **symptom})
    return {one.name: one.line() for one in said}


@pytest.mark.parametrize(("name", "symptom", "words"), FIRES)
def test_it_speaks_of_its_symptom_alone(name: str, symptom: Mapping[str, float], words: str) -> None:
    said = after(symptom)
    assert set(said) == {name}
    assert words in said[name]


@pytest.mark.parametrize(("name", "symptom"), QUIET)
def test_it_is_quiet_about_what_only_comes_near(name: str, symptom: Mapping[str, float]) -> None:
    assert after(symptom) == {}


def test_a_synchronous_run_is_told_that_its_halves_take_turns() -> None:
    said = after(WAITING, {"stream": {"max_staleness": 0}})
    assert "training is synchronous" in said["learner_starved"]


def test_a_staleness_bound_of_one_is_met_by_design() -> None:
    assert after(BUSY, {"stream": {"max_staleness": 1}}) == {}


def test_the_split_that_balances_follows_the_work_of_each_half() -> None:
    split = balanced(engines=6, learner=2, engine_idle=0.75, learner_idle=0.0)
    # work 1.5 and 2 of 8 units: 3.43 and 4.57, and steps 8 / 3.5 as fast
    assert (split.engines, split.learner) == (3, 5)
    assert split.speed_up == pytest.approx(8 / 3.5)
    least = balanced(engines=1, learner=1, engine_idle=0.99, learner_idle=0.0)
    assert (least.engines, least.learner) == (1, 1)


ENGINE = {"learner": "12 of 32 groups", "rollouts": "engine 0 to finish group 77"}
REWARD = {"learner": "12 of 32 groups", "rollouts": "rewards of group 77"}
STALLS = [
    (Stall(waited_s=13.0, median_s=2.0, waits=ENGINE), "an engine hangs", "waits for engine 0 to finish"),
    (Stall(waited_s=13.0, median_s=2.0, waits=REWARD), "the reward hangs", "verifiers.timeout_s"),
    (Stall(waited_s=13.0, median_s=2.0), "an actor hangs", "No loop says what it waits for"),
    (Stall(waited_s=11.0, median_s=0.5, waits=ENGINE), "an engine hangs", "the median step takes 0.5 s"),
]  # fmt: skip


@pytest.mark.parametrize(("stall", "cause", "words"), STALLS)
def test_a_step_that_does_not_end_is_spoken_of_once_while_it_does_not(
    stall: Stall, cause: str, words: str
) -> None:
    advisor = Advisor(RULES, settings=HEALTHY_SETTINGS)
    assert advisor.late(0, stall) == []
    advisor.update(0, HEALTHY)
    (advice,) = advisor.late(1, stall)
    assert advice.name == "stalled" and advice.severity == "critical"
    assert cause in advice.cause and words in advice.line()
    assert advisor.late(1, stall) == []


@pytest.mark.parametrize("stall", [Stall(waited_s=11.0, median_s=2.0), Stall(waited_s=9.0, median_s=0.1)])
def test_a_slow_step_is_no_stall(stall: Stall) -> None:
    advisor = Advisor(RULES, settings=HEALTHY_SETTINGS)
    advisor.update(0, HEALTHY)
    assert advisor.late(1, stall) == []
