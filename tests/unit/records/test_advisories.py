"""Each advisory about the objective speaks when it should, names the fix, and is then quiet for a while."""

from collections.abc import Mapping

import pytest

from rl.records.advisories import EARLY, HEALTHY, QUIET_STEPS, RULES, WINDOW, Advisor
from rl.records.advisories.base import HEALTHY_SETTINGS

CONSTANT = {"reward/std": 0.0, "learner/zero_advantage_frac": 1.0}

SICK = [
    ("entropy_collapse", {"loss/entropy": 0.2}, "learner.lr"),
    ("entropy_explosion", {"loss/entropy": 3.0}, "learner.lr"),
    ("far_from_sampler", {"loss/kl_behavior_k3": 0.4}, "stream.max_staleness"),
    ("far_from_reference", {"loss/kl_reference": 0.9}, "algorithm.kl.coefficient"),
    ("little_gradient", {"learner/zero_advantage_frac": 0.8}, "curriculum=mixed"),
    ("mostly_truncated", {"rollout/truncated_share": 0.6}, "rollout.max_tokens"),
    ("mostly_truncated", {"rollout/truncated_share": 1.0}, "end token"),
    (
        "mostly_truncated",
        {"rollout/truncated_share": 0.6, "learner/zero_advantage_frac": 0.8},
        "why 80% of the rollouts",
    ),
    ("saturated_reward", {"reward/pass_rate": 0.97, "reward/std": 0.2}, "97% of the samples are right"),
    (
        "little_gradient",
        {
            "learner/zero_advantage_frac": 0.8,
            "curriculum/all_positive_ratio": 0.7,
            "curriculum/all_negative_ratio": 0.1,
        },
        "curriculum=retire",
    ),
    (
        "little_gradient",
        {
            "learner/zero_advantage_frac": 0.8,
            "curriculum/all_positive_ratio": 0.1,
            "curriculum/all_negative_ratio": 0.7,
        },
        "curriculum=knapsack",
    ),
    (
        "constant_reward",
        CONSTANT | {"reward/mean": 0.35, "reward/pass_rate": 0.0},
        "the reward was 0.35 for every sample",
    ),
    (
        "constant_reward",
        CONSTANT | {"reward/mean": 0.0, "reward/pass_rate": 0.0},
        "too hard for the policy, or the reward takes",
    ),
    ("constant_reward", CONSTANT | {"reward/mean": 1.0, "reward/pass_rate": 1.0}, "nothing is left to learn"),
    (
        "mostly_truncated",
        CONSTANT | {"reward/mean": 0.0, "rollout/truncated_share": 0.9},
        "rollout.max_tokens",
    ),
    ("mostly_bounded", {"loss/ratio_clipped_frac": 0.6}, "algorithm.mask.clip_low"),
    ("mostly_bounded", {"loss/band_masked_frac": 0.6}, "algorithm.token_band"),
    ("blind_critic", {"critic/explained_variance": -0.6}, "algorithm.advantage.critic.warmup_steps"),
    ("broken_numbers", {"learner/applied": 0.0}, "non-finite gradient"),
    ("broken_numbers", {"critic/refused_updates": 1.0}, "algorithm.advantage.critic.lr"),
    ("broken_numbers", {"loss/dropped_tokens": 2.0}, "2 tokens"),
]


def said_by(advisor: Advisor, step: int, row: Mapping[str, float]) -> dict[str, str]:
    return {one.name: one.line() for one in advisor.update(step, row)}


def advisor_of(rows: int) -> Advisor:
    advisor = Advisor(RULES, settings=HEALTHY_SETTINGS)
    for step in range(rows):
        assert advisor.update(step, HEALTHY) == []
    return advisor


@pytest.mark.parametrize(("name", "symptom", "word"), SICK)
def test_it_speaks_once_and_names_what_to_change(name: str, symptom: dict[str, float], word: str) -> None:
    advisor = advisor_of(EARLY)
    said = [said_by(advisor, EARLY + i, {**HEALTHY} | symptom) for i in range(QUIET_STEPS + WINDOW)]
    spoken = [i for i, texts in enumerate(said) if name in texts]
    first = 0 if name == "broken_numbers" else WINDOW - 1
    assert spoken == [first, first + QUIET_STEPS] or spoken == [first]
    assert word in said[first][name]
    assert set(said[first]) == {name}


def test_one_bad_row_is_no_trend() -> None:
    advisor = advisor_of(EARLY)
    assert advisor.update(EARLY, {**HEALTHY} | {"loss/entropy": 0.01}) == []
    assert all(advisor.update(EARLY + 1 + i, HEALTHY) == [] for i in range(10))


def test_nothing_falls_from_nothing() -> None:
    advisor = Advisor(RULES)
    for step in range(EARLY + WINDOW):
        assert advisor.update(step, {**HEALTHY} | {"loss/entropy": 0.0004 if step < EARLY else 0.0}) == []


def test_missing_metrics_say_nothing() -> None:
    advisor = Advisor(RULES)
    assert all(advisor.update(step, {}) == [] for step in range(20))


def test_graded_rewards_that_never_count_as_correct_are_said_and_difficulty_is_not_blamed() -> None:
    advisor, graded = (
        Advisor(RULES),
        {**HEALTHY} | {"reward/pass_rate": 0.0, "learner/zero_advantage_frac": 0.7},
    )
    said = [said_by(advisor, step, graded) for step in range(WINDOW)][-1]
    assert set(said) == {"never_correct", "little_gradient"}
    assert "correct_at" in said["never_correct"]
    assert (
        "equal rewards in their groups" in said["little_gradient"]
        and "difficulty" not in said["little_gradient"]
    )
    advisor = Advisor(RULES)
    once_right = [HEALTHY, *[graded] * WINDOW]
    assert "never_correct" not in [said_by(advisor, step, row) for step, row in enumerate(once_right)][-1]
