"""Advantages of whole samples against hand-computed values, on groups of unequal size."""

import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rl.config.checks.algorithm import compares_within_groups
from rl.objective.advantages import ADVANTAGES
from rl.objective.advantages.group_relative import dr_grpo, grpo
from rl.objective.samples import Tokens
from rl.objective.shaping.overlong import overlong
from tests.unit.objective.one_update import config, one_token_each, samples

SEGMENTS = [0, 0, 0, 1, 2, 2]
REWARDS = [1.0, 0.0, 0.0, 1.0, 0.5, 1.5]
OF_A_GROUP = sorted(set(ADVANTAGES) - {"gae", "brpo", "reinforce_pp", "reinforce_pp_baseline"})
"""Estimators that look at one group of samples at a time."""


def estimate(name: str, rewards: list[float], segments: list[int], k: int = 1) -> torch.Tensor:
    """One token per sample, so per token is per sample; ``k`` where the estimator has one."""
    settings = {"k": k} if name.startswith("passk") else {}
    return ADVANTAGES[name](
        samples(rewards, segments), one_token_each(len(rewards)), config(advantage={"name": name} | settings)
    ).advantages


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dr_grpo", [2 / 3, -1 / 3, -1 / 3, 0.0, -0.5, 0.5]),
        ("rloo", [1.0, -0.5, -0.5, 0.0, -1.0, 1.0]),
        ("max_rl", [2.0, -1.0, -1.0, 0.0, -0.5, 0.5]),
        (
            "grpo",
            [
                2 / 3 / (math.sqrt(1 / 3) + 1e-4),
                -1 / 3 / (math.sqrt(1 / 3) + 1e-4),
                -1 / 3 / (math.sqrt(1 / 3) + 1e-4),
                0.0,
                -0.5 / (math.sqrt(0.5) + 1e-4),
                0.5 / (math.sqrt(0.5) + 1e-4),
            ],
        ),
    ],
)
def test_by_hand(name: str, expected: list[float]) -> None:
    torch.testing.assert_close(estimate(name, REWARDS, SEGMENTS), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("name", sorted(set(ADVANTAGES) - {"gae", "brpo"}))
def test_the_config_knows_which_estimators_train_on_groups_of_one(name: str) -> None:
    alone = estimate(name, [1.0, 0.0, 0.0, 1.0], [0, 1, 2, 3])
    assert bool((alone != 0).any()) is not compares_within_groups(config(advantage=name))


def test_max_rl_weighs_a_group_by_one_over_its_pass_rate() -> None:
    """One success in eight against one in two: (1 - p) / p is 7 and 1."""
    got = estimate("max_rl", [1.0] + [0.0] * 7 + [1.0, 0.0], [0] * 8 + [1] * 2)
    assert got[0] == 7 and got[8] == 1


def test_reinforce_pp_standardises_over_the_batch() -> None:
    got = estimate("reinforce_pp", [1.0, 0.0, 0.0, 1.0], [0, 0, 1, 2])
    torch.testing.assert_close(
        got, torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64) * math.sqrt(0.75), rtol=1e-6, atol=0
    )


def test_reinforce_pp_baseline_takes_the_group_mean_first() -> None:
    got = estimate("reinforce_pp_baseline", [1.0, 0.0, 1.0, 1.0], [0, 0, 1, 1])
    assert (got[2:] == 0).all() and got[0] == -got[1] > 0


@pytest.mark.parametrize("name", OF_A_GROUP)
def test_a_group_of_one_and_a_group_of_equal_rewards_get_exactly_zero(name: str) -> None:
    """0.1 is the trap: sixteen of them do not have 0.1 as their floating-point mean, and a tiny std would
    blow the rest up."""
    assert (estimate(name, [0.1] * 16 + [0.7], [0] * 16 + [1], k=2) == 0).all()


@pytest.mark.parametrize("name", OF_A_GROUP)
def test_advantages_do_not_depend_on_other_groups_or_on_the_order(name: str) -> None:
    rewards = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]
    whole = estimate(name, rewards, SEGMENTS, k=2)
    torch.testing.assert_close(whole[:3], estimate(name, rewards[:3], SEGMENTS[:3], k=2))
    order = [4, 0, 3, 1, 5, 2]
    shuffled = estimate(name, [rewards[i] for i in order], [SEGMENTS[i] for i in order], k=2)
    torch.testing.assert_close(shuffled, whole[order])


@pytest.mark.parametrize("name", OF_A_GROUP)
def test_a_nan_reward_stays_visible(name: str) -> None:
    """It must reach the gradient, where the finite check stops it, and must not become a quiet 0."""
    got = estimate(name, [1.0, float("nan"), 0.0, 1.0], [0, 0, 1, 1], k=2)
    assert got[:2].isnan().all() and got[2:].isfinite().all()


@pytest.mark.parametrize("function", [grpo, dr_grpo])
def test_a_wrong_shape_is_caught(checked: Callable, function: Callable) -> None:
    given = samples(REWARDS, SEGMENTS)
    assert checked(function)(given, config()).shape == (6,)
    broken = samples(REWARDS, SEGMENTS[:2])
    with pytest.raises((RuntimeError, IndexError)):
        checked(function)(broken, config())


GRADED = st.lists(st.integers(-30, 30).map(lambda tenths: tenths / 10), min_size=2, max_size=8)


@pytest.mark.parametrize("name", OF_A_GROUP)
@settings(deadline=None)
@given(rewards=GRADED, k=st.integers(1, 4))
def test_a_better_reward_never_has_the_lower_advantage_whatever_the_range(
    name: str, rewards: list[float], k: int
) -> None:
    """Rewards may be negative, above 1, or of mean 0: nothing may divide by what turns the sign."""
    got = estimate(name, rewards, [0] * len(rewards), k=min(k, len(rewards)))
    assert bool(torch.isfinite(got).all())
    order = torch.tensor(rewards).argsort(stable=True)
    assert bool((got[order].diff() >= -1e-5 * got.abs().max()).all())


@pytest.mark.parametrize("name", sorted(set(OF_A_GROUP) - {"passk_s", "passk_s_loo", "max_rl"}))
def test_a_constant_added_to_every_reward_changes_nothing(name: str) -> None:
    """But in ``passk_s`` and ``passk_s_loo``, whose baselines do not take all of it off, and ``max_rl``,
    relative to the mean."""
    rewards, ids = [0.0, 0.25, 1.0, 0.5, 0.0, 1.0], [0, 0, 0, 1, 1, 1]
    plain = estimate(name, rewards, ids, k=2)
    moved = estimate(name, [reward - 4 for reward in rewards], ids, k=2)
    torch.testing.assert_close(moved, plain, rtol=1e-5, atol=1e-6)
    assert bool((plain != 0).any())


def test_max_rl_under_the_overlong_penalty_prefers_the_answer_that_is_not_cut() -> None:
    """Three wrong answers at the limit, one wrong and short: rewards -1, -1, -1, 0, whose mean is
    negative."""
    rewards = overlong(torch.zeros(4), SimpleNamespace(max_tokens=16, lengths=torch.tensor([16, 16, 16, 5])))
    got = estimate("max_rl", rewards.tolist(), [0] * 4)
    torch.testing.assert_close(got, torch.tensor([-1 / 3, -1 / 3, -1 / 3, 1.0], dtype=torch.float64))
    assert estimate("max_rl", [1.0, -1.0], [0, 0]).tolist() == [1.0, -1.0]  # of mean 0


@pytest.mark.parametrize("name", ["reinforce_pp", "reinforce_pp_baseline", "gae"])
def test_a_demonstration_moves_no_sampled_token_when_a_batch_is_standardised(name: str) -> None:
    """Its reward of 1 is a form, and of another scale than graded rewards."""

    def advantages(rewards: list[float], shown: list[bool]) -> torch.Tensor:
        batch = samples(rewards, [0, 0, 0, *[1] * (len(rewards) - 3)], demonstration=torch.tensor(shown))
        tokens = Tokens(sample=torch.arange(len(rewards)), values=torch.zeros(len(rewards)))
        return ADVANTAGES[name](batch, tokens, config(advantage=name)).advantages

    alone = advantages([10.0, 30.0, 50.0], [False] * 3)
    beside = advantages([10.0, 30.0, 50.0, 1.0], [False] * 3 + [True])
    torch.testing.assert_close(beside[:3], alone)
    assert beside[3] == 0 and alone[0] < alone[1] < alone[2]
