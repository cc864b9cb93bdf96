"""Rules about truth: each speaks of a run whose reward is gamed, and of none that merely learns."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from rl.records.advisories import EARLY, HEALTHY, RULES, WINDOW, Advisor, HeldOut
from rl.records.advisories.base import HEALTHY_SETTINGS

ILL = 8
"""Rows with a symptom."""
FIRES: list[tuple[str, Mapping[str, float], str]] = [
    ("same_text_takes_over", {"rollout/commonest_share": 0.7}, "70% of the completions are one and the same"),
    ("repetition_takes_over", {"rollout/repetition_share": 0.6}, "60% of the completions repeat themselves"),
    (
        "format_takes_over",
        {"reward/mean": 0.7, "reward/pass_rate": 0.2, "reward/format": 1.0},
        "the share of right answers fell to 0.20",
    ),
    ("reason_takes_over", {"reward/reason_no_answer": 0.8}, "80% of all verdicts are 'no answer'"),
    (
        "battery_accepted",
        {"reward/battery_accepted": 5.0, "reward/battery_format_only": 5.0},
        "5 of 40 degenerate answers as right: format only (5)",
    ),
]
QUIET: list[Mapping[str, float]] = [
    {"rollout/commonest_share": 0.3},
    {"rollout/commonest_share": 0.7, "reward/mean": 0.1},
    {"rollout/repetition_share": 0.6, "reward/mean": 0.1},
    {"rollout/repetition_share": 0.2},
    {"reward/mean": 0.7, "reward/pass_rate": 0.6},
    {"reward/reason_no_answer": 0.4},
    {"rollout/length_mean_tokens": 100.0, "reward/length_corr": 0.5},
    {"rollout/length_mean_tokens": 200.0, "reward/length_corr": 0.1},
]


def after(symptom: Mapping[str, float], evaluations: Sequence[HeldOut] = ()) -> dict[str, str]:
    """What is said after a healthy start and a window with the symptom."""
    advisor, said = Advisor(RULES, settings=HEALTHY_SETTINGS), []
    for step in range(EARLY):
        assert advisor.update(step, HEALTHY) == []
    for step in range(EARLY, EARLY + ILL):
        said += advisor.update(step, {**HEALTHY, **symptom}, evaluations=evaluations)
    return {one.name: one.line() for one in said}


def evaluation(version: int, rate: float, *, changed: Mapping[str, float] | None = None) -> HeldOut:
    """300 problems of three categories, eight samples each, at about the rate; some categories at another."""
    draw = random.Random(version)
    names = {f"p{i}": ("sums", "sorting", "spelling")[i % 3] for i in range(300)}
    rates = {}
    for one, category in names.items():
        p = (changed or {}).get(category, rate)
        rates[one] = sum(draw.random() < p for _ in range(8)) / 8
    return HeldOut(version=version, rates=rates, categories=names)


@pytest.mark.parametrize(("name", "symptom", "words"), FIRES)
def test_it_speaks_of_its_symptom_alone(name: str, symptom: Mapping[str, float], words: str) -> None:
    said = after(symptom)
    assert set(said) == {name}
    assert words in said[name]


@pytest.mark.parametrize("symptom", QUIET)
def test_it_is_quiet_about_what_only_comes_near(symptom: Mapping[str, float]) -> None:
    assert after(symptom) == {}


def test_the_component_that_pays_is_named() -> None:
    advisor = Advisor(RULES, settings=HEALTHY_SETTINGS)
    for step in range(EARLY):
        advisor.update(step, {**HEALTHY, "reward/format": 0.2, "reward/accuracy": 0.4})
    ill = {
        **HEALTHY,
        "reward/mean": 0.7,
        "reward/pass_rate": 0.2,
        "reward/format": 1.0,
        "reward/accuracy": 0.2,
    }
    said = [advisor.update(EARLY + i, ill) for i in range(WINDOW)][-1]
    assert [one.name for one in said] == ["format_takes_over"] and "reward/format" in said[0].text


HIGHER = {"reward/mean": 0.7, "reward/pass_rate": 0.7}


def test_a_held_out_that_falls_while_the_training_reward_rises_is_said_first() -> None:
    said = after(HIGHER, [evaluation(0, 0.5), evaluation(13, 0.2)])
    assert list(said) == ["held_out_falls"]
    assert "held-out pass@1 fell by" in said["held_out_falls"]


def test_one_that_stays_while_the_training_reward_rises_much_is_said_with_more_causes() -> None:
    said = after(HIGHER, [evaluation(0, 0.5), evaluation(13, 0.5)])
    assert "learned by heart" in said["held_out_falls"]


def test_a_fall_from_the_highest_is_seen_too() -> None:
    said = after(HIGHER, [evaluation(0, 0.3), evaluation(4, 0.8), evaluation(13, 0.4)])
    assert "since version 4" in said["held_out_falls"]


@pytest.mark.parametrize("rate", [0.5, 0.65, 0.8])
def test_a_run_that_learns_hears_nothing_of_it(rate: float) -> None:
    risen = {"reward/mean": 0.5, "reward/pass_rate": 0.5}
    assert after(risen, [evaluation(0, 0.5), evaluation(13, rate)]) == {}


def test_a_category_that_is_forgotten_is_named_and_one_that_wavers_is_not() -> None:
    before = evaluation(0, 0.5)
    said = after({}, [before, evaluation(13, 0.8, changed={"spelling": 0.1})])
    assert (
        "fell in spelling" in said["categories_fall"] and "rose in sorting, sums" in said["categories_fall"]
    )
    assert after({}, [before, evaluation(13, 0.8, changed={"spelling": 0.45})]) == {}
    assert after({}, [before, evaluation(13, 0.2)]) == {}, "all fall: not forgetting one thing for another"


def test_a_suite_that_falls_is_forgotten_too() -> None:
    def with_suite(version: int, rate: float, suite: float) -> HeldOut:
        others = {"suite facts": {f"f{i}": suite + i % 3 / 100 for i in range(60)}}
        return replace(evaluation(version, rate), others=others)

    fallen = after({}, [with_suite(0, 0.5, 0.6), with_suite(13, 0.8, 0.3)])
    assert "fell in suite facts by 0.30" in fallen["categories_fall"]
    # A suite has a slower cadence: the newest version that has it counts.
    late = after({}, [with_suite(0, 0.5, 0.6), with_suite(9, 0.7, 0.3), evaluation(13, 0.8)])
    assert "suite facts" in late["categories_fall"]
    assert after({}, [with_suite(0, 0.5, 0.6), with_suite(13, 0.8, 0.58)]) == {}


LONGER = {"rollout/length_mean_tokens": 100.0, "reward/length_corr": 0.6}


def test_length_that_pays_is_said_where_the_held_out_does_not_follow() -> None:
    assert set(after(LONGER, [evaluation(0, 0.5), evaluation(13, 0.5)])) == {"length_takes_over"}
    assert after(LONGER, [evaluation(0, 0.5), evaluation(13, 0.7)]) == {}
    assert set(after(LONGER | {"rollout/length_mean_tokens": 200.0})) == {"length_takes_over"}
    shorter = {"rollout/length_mean_tokens": 10.0, "reward/length_corr": -0.6}
    assert "5.0 times as short" in after(shorter)["length_takes_over"]
