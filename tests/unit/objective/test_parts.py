"""Masks, references, likelihoods, importance weights, aggregation and group weights against hand-computed values."""

from collections.abc import Callable

import pytest
import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.aggregation import AGGREGATIONS
from rl.objective.group_weight import GROUP_WEIGHTS
from rl.objective.importance import truncated_importance
from rl.objective.likelihood import LIKELIHOODS
from rl.objective.masks import MASKS
from rl.objective.references import REFERENCES
from rl.objective.samples import sample_terms

CONFIG = AlgorithmConfig(clip_low=0.2, clip_high=0.3, dual_clip=3.0, importance_cap=None)
RATIO = torch.tensor([0.5, 1.0, 2.0, 0.5, 1.0, 2.0, 5.0])
ADVANTAGE = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0])


@pytest.mark.parametrize(
    ("name", "bounded", "gradient"),
    [
        ("none", [0.5, 1.0, 2.0, 0.5, 1.0, 2.0, 5.0], [1, 1, 1, 1, 1, 1, 1]),
        ("clip", [0.5, 1.0, 1.3, 0.8, 1.0, 2.0, 5.0], [1, 1, 0, 0, 1, 1, 1]),
        ("dual_clip", [0.5, 1.0, 1.3, 0.8, 1.0, 2.0, 3.0], [1, 1, 0, 0, 1, 1, 0]),
    ],
)
def test_masks_bound_the_ratio_and_take_the_gradient_where_they_do(
    checked: Callable, name: str, bounded: list[float], gradient: list[int]
) -> None:
    ratio = RATIO.clone().requires_grad_()
    got = checked(MASKS[name])(ratio, ADVANTAGE, CONFIG)
    torch.testing.assert_close(got, torch.tensor(bounded))
    got.sum().backward()
    torch.testing.assert_close(ratio.grad, torch.tensor(gradient, dtype=torch.float32))


def test_clip_times_the_advantage_is_ppos_surrogate() -> None:
    surrogate = torch.minimum(RATIO * ADVANTAGE, RATIO.clamp(0.8, 1.3) * ADVANTAGE)
    torch.testing.assert_close(MASKS["clip"](RATIO, ADVANTAGE, CONFIG) * ADVANTAGE, surrogate)


def test_every_mask_is_in_the_config_and_the_other_way_round() -> None:
    for field, registry in (("mask", MASKS), ("reference", REFERENCES), ("likelihood", LIKELIHOODS), ("aggregation", AGGREGATIONS)):
        assert set(AlgorithmConfig.model_fields[field].annotation.__args__) == set(registry)
    assert set(AlgorithmConfig.model_fields["group_weight"].annotation.__args__) == set(GROUP_WEIGHTS)


def test_references_are_constants(checked: Callable) -> None:
    policy = torch.tensor([-1.0, -2.0], requires_grad=True)
    behavior, proximal = torch.tensor([-1.5, -2.5]), torch.tensor([-1.2, -2.2])
    assert checked(REFERENCES["behavior"])(policy, behavior, proximal) is behavior
    assert checked(REFERENCES["proximal"])(policy, behavior, proximal) is proximal
    for detached in (REFERENCES["current"](policy, behavior, proximal), REFERENCES["proximal"](policy, behavior, None)):
        assert not detached.requires_grad
        torch.testing.assert_close(detached, policy.detach())


def test_token_ratio_gradient_is_minus_ratio_times_advantage(checked: Callable) -> None:
    policy = torch.tensor([-1.0, -2.0], requires_grad=True)
    ratio = (policy - torch.tensor([-1.5, -1.5])).exp()
    advantages = torch.tensor([2.0, -1.0])
    loss = checked(LIKELIHOODS["token_ratio"])(policy, ratio, ratio, advantages, CONFIG)
    loss.sum().backward()
    torch.testing.assert_close(policy.grad, -ratio.detach() * advantages)


def test_truncated_weight_caps_the_weight_and_lets_the_gradient_only_through_log_p(checked: Callable) -> None:
    policy = torch.tensor([-1.0, -1.0, -1.0], requires_grad=True)
    ratio = torch.tensor([0.5, 2.0, 2.0])
    bounded = torch.tensor([0.5, 2.0, 1.3])  # the third token is masked
    advantages = torch.tensor([2.0, 1.0, 1.0])
    loss = checked(LIKELIHOODS["truncated_weight"])(policy, ratio.requires_grad_(), bounded, advantages, CONFIG)
    torch.testing.assert_close(loss.detach(), torch.tensor([0.5 * 2.0, 1.3, 0.0]))
    loss.sum().backward()
    torch.testing.assert_close(policy.grad, torch.tensor([-0.5 * 2.0, -1.3, 0.0]))
    assert ratio.grad is None


def test_importance_weights_are_capped_constants(checked: Callable) -> None:
    proximal = torch.tensor([-1.0, -1.0, -1.0], requires_grad=True)
    behavior = torch.tensor([-1.0, -3.0, -0.5])
    got = checked(truncated_importance)(proximal, behavior, cap=2.0, max_log_ratio=20.0)
    torch.testing.assert_close(got, torch.tensor([1.0, 2.0, 0.60653]), atol=1e-5, rtol=0)
    assert not got.requires_grad


@pytest.mark.parametrize(
    ("name", "expected"), [("token", [0.1, 0.1, 0.1]), ("sequence", [1 / 3, 1 / 12, 1 / 15]), ("dr_grpo", [1 / 30, 1 / 30, 1 / 30])]
)
def test_aggregation_weights_of_one_token(checked: Callable, name: str, expected: list[float]) -> None:
    got = checked(AGGREGATIONS[name])(torch.tensor([1.0, 4.0, 5.0], dtype=torch.float64), 10)
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64))


def test_group_weights_give_prompts_equal_weight(checked: Callable) -> None:
    segments = torch.tensor([0, 0, 0, 1])
    assert checked(GROUP_WEIGHTS["sample"])(segments).tolist() == [1, 1, 1, 1]
    # mean group size 2: 2/3 for the members of the group of three, 2 for the single one; each group sums to 2
    torch.testing.assert_close(
        checked(GROUP_WEIGHTS["prompt"])(segments), torch.tensor([2 / 3, 2 / 3, 2 / 3, 2.0], dtype=torch.float64)
    )


def test_samples_without_gradient_stay_in_the_denominator(checked: Callable) -> None:
    rewards, segments = torch.tensor([1.0, 0.0, 1.0, 1.0]), torch.tensor([0, 0, 1, 1])
    terms = sample_terms(rewards, segments, torch.tensor([2, 3, 5, 10]), config=CONFIG, max_tokens=10)
    assert (terms.advantages[2:] == 0).all() and (terms.advantages[:2] != 0).all()
    torch.testing.assert_close(terms.token_weights, torch.full((4,), 1 / 20))


def test_advantage_clip_is_symmetric() -> None:
    config = CONFIG.model_copy(update={"advantage": "dr_grpo", "advantage_clip": 0.5})
    terms = sample_terms(torch.tensor([3.0, 0.0, 0.0]), torch.tensor([0, 0, 0]), torch.ones(3), config=config, max_tokens=1)
    assert terms.advantages.tolist() == [0.5, -0.5, -0.5]
