"""Advantages against hand-computed values, on groups of unequal size."""

import math
from collections.abc import Callable

import pytest
import torch

from rl.objective.advantages import ADVANTAGES

SEGMENTS = torch.tensor([0, 0, 0, 1, 2, 2])
REWARDS = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.5, 1.5])


def test_dr_grpo_is_the_reward_less_the_group_mean(checked: Callable) -> None:
    got = checked(ADVANTAGES["dr_grpo"])(REWARDS, SEGMENTS)
    torch.testing.assert_close(got, torch.tensor([2 / 3, -1 / 3, -1 / 3, 0.0, -0.5, 0.5]))


def test_grpo_divides_by_the_sample_standard_deviation(checked: Callable) -> None:
    got = checked(ADVANTAGES["grpo"])(REWARDS, SEGMENTS)
    three = math.sqrt((4 / 9 + 1 / 9 + 1 / 9) / 2) + 1e-4  # 0.57745
    two = math.sqrt(0.5) + 1e-4
    expected = torch.tensor([2 / 3 / three, -1 / 3 / three, -1 / 3 / three, 0.0, -0.5 / two, 0.5 / two])
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("name", sorted(ADVANTAGES))
def test_a_group_of_one_and_a_group_of_equal_rewards_get_exactly_zero(name: str) -> None:
    """0.1 is the trap: sixteen of them do not have 0.1 as their floating-point mean, and a tiny std would blow the rest up."""
    rewards = torch.tensor([0.1] * 16 + [0.7])
    segments = torch.tensor([0] * 16 + [1])
    assert (ADVANTAGES[name](rewards, segments) == 0).all()


@pytest.mark.parametrize("name", sorted(ADVANTAGES))
def test_advantages_do_not_depend_on_other_groups_or_on_the_order(name: str) -> None:
    alone = ADVANTAGES[name](REWARDS[:3], SEGMENTS[:3])
    order = torch.tensor([4, 0, 3, 1, 5, 2])
    shuffled = ADVANTAGES[name](REWARDS[order], SEGMENTS[order])
    torch.testing.assert_close(shuffled[torch.tensor([1, 3, 5])], alone)
    torch.testing.assert_close(ADVANTAGES[name](REWARDS, SEGMENTS).sum(), torch.tensor(0.0), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", sorted(ADVANTAGES))
def test_a_nan_reward_stays_visible(name: str) -> None:
    """It must reach the gradient, where the finite check stops it, and must not become a quiet 0."""
    got = ADVANTAGES[name](torch.tensor([1.0, float("nan"), 0.0, 1.0]), torch.tensor([0, 0, 1, 1]))
    assert got[:2].isnan().all() and got[2:].isfinite().all()


def test_a_wrong_shape_is_caught(checked: Callable) -> None:
    with pytest.raises(Exception, match="S"):
        checked(ADVANTAGES["grpo"])(REWARDS, SEGMENTS[:2])
