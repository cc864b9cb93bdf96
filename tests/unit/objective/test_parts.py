"""Masks, references, likelihoods, corrections, aggregation and group weights against hand-computed values."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from rl.config.algorithm import AlgorithmConfig, MirrorLikelihood, TruncatedWeight
from rl.config.fields import names_at
from rl.objective.advantages import ADVANTAGES
from rl.objective.aggregation import AGGREGATIONS, GROUP_WEIGHTS
from rl.objective.correction import IMPORTANCE, correction
from rl.objective.kl import KL_ESTIMATORS, adapted
from rl.objective.likelihood import LIKELIHOODS, BoundedTokens
from rl.objective.masks import MASKS
from rl.objective.ratios import REFERENCES

CLIP = {"clip_low": 0.2, "clip_high": 0.3}
MASK_SETTINGS: dict[str, dict[str, Any]] = {"none": {}, "clip": CLIP, "dual_clip": CLIP | {"dual_clip": 3.0}}


CONFIG = AlgorithmConfig()
TRUNCATED = AlgorithmConfig(likelihood=TruncatedWeight(clip_high=0.3))
MIRROR = AlgorithmConfig(likelihood=MirrorLikelihood())


def masking(name: str) -> AlgorithmConfig:
    return AlgorithmConfig.model_validate({"mask": {"name": name} | MASK_SETTINGS[name]})


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
    got = checked(MASKS[name])(ratio, ADVANTAGE, masking(name))
    torch.testing.assert_close(got, torch.tensor(bounded))
    got.sum().backward()
    torch.testing.assert_close(ratio.grad, torch.tensor(gradient, dtype=torch.float32))


def test_clip_times_the_advantage_is_ppos_surrogate() -> None:
    surrogate = torch.minimum(RATIO * ADVANTAGE, RATIO.clamp(0.8, 1.3) * ADVANTAGE)
    torch.testing.assert_close(MASKS["clip"](RATIO, ADVANTAGE, masking("clip")) * ADVANTAGE, surrogate)


def test_every_mask_is_in_the_config_and_the_other_way_round() -> None:
    registries: dict[str, Mapping[str, Any]] = {
        "mask": MASKS,
        "reference": REFERENCES,
        "likelihood": LIKELIHOODS,
        "aggregation": AGGREGATIONS,
        "advantage": ADVANTAGES,
        "importance": IMPORTANCE,
    }
    for field, registry in registries.items():
        assert names_at(AlgorithmConfig, field) == set(registry)
    assert names_at(AlgorithmConfig, "group_weight") == set(GROUP_WEIGHTS)


def test_references_are_constants(checked: Callable) -> None:
    policy = torch.tensor([-1.0, -2.0], requires_grad=True)
    behavior, proximal = torch.tensor([-1.5, -2.5]), torch.tensor([-1.2, -2.2])
    assert checked(REFERENCES["behavior"])(policy, behavior, proximal) is behavior
    assert checked(REFERENCES["proximal"])(policy, behavior, proximal) is proximal
    for detached in (
        REFERENCES["current"](policy, behavior, proximal),
        REFERENCES["proximal"](policy, behavior, None),
    ):
        assert not detached.requires_grad
        torch.testing.assert_close(detached, policy.detach())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("token", [0.1, 0.1, 0.1]),
        ("sequence", [1 / 3, 1 / 12, 1 / 15]),
        ("dr_grpo", [1 / 30, 1 / 30, 1 / 30]),
    ],
)
def test_aggregation_weights_of_one_token(checked: Callable, name: str, expected: list[float]) -> None:
    got = checked(AGGREGATIONS[name])(torch.tensor([1.0, 4.0, 5.0], dtype=torch.float64), 10)
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64))


def test_group_weights_give_prompts_equal_weight(checked: Callable) -> None:
    segments = torch.tensor([0, 0, 0, 1])
    assert checked(GROUP_WEIGHTS["sample"])(segments).tolist() == [1, 1, 1, 1]
    # mean group size 2: 2/3 for the members of the group of three, 2 for the single one; each group sums to 2
    torch.testing.assert_close(
        checked(GROUP_WEIGHTS["prompt"])(segments),
        torch.tensor([2 / 3, 2 / 3, 2 / 3, 2.0], dtype=torch.float64),
    )


def bounded(
    log_ratio: torch.Tensor, advantages: torch.Tensor, sequence: torch.Tensor, *, mask: str = "none"
) -> BoundedTokens:
    likelihood_ratio = log_ratio.exp()
    return BoundedTokens(
        policy=log_ratio - 1.0,
        log_ratio=log_ratio,
        ratio=likelihood_ratio,
        bounded=MASKS[mask](likelihood_ratio, advantages, masking(mask)),
        advantages=advantages,
        sequence=sequence,
        usable=torch.ones(len(log_ratio), dtype=torch.bool),
    )


THREE = torch.tensor([0, 0, 1])


def test_token_ratio_gradient_is_minus_ratio_times_advantage(checked: Callable) -> None:
    log_ratio = torch.tensor([0.5, -0.5, 0.0], requires_grad=True)
    advantages = torch.tensor([2.0, -1.0, 1.0])
    checked(LIKELIHOODS["token_ratio"].loss)(bounded(log_ratio, advantages, THREE), CONFIG).sum().backward()
    torch.testing.assert_close(log_ratio.grad, -log_ratio.detach().exp() * advantages)


def test_the_sequence_ratio_is_the_geometric_mean_and_skips_broken_tokens(checked: Callable) -> None:
    log_ratio = torch.tensor([0.3, 0.1, -0.2], requires_grad=True)
    whole = checked(LIKELIHOODS["sequence_ratio"].log_ratio)
    torch.testing.assert_close(
        whole(log_ratio, THREE, torch.tensor([True, True, True])), torch.tensor([0.2, 0.2, -0.2])
    )
    torch.testing.assert_close(
        whole(log_ratio, THREE, torch.tensor([True, False, True])), torch.tensor([0.3, 0.3, -0.2])
    )
    whole(log_ratio, THREE, torch.ones(3, dtype=torch.bool))[0].backward()
    torch.testing.assert_close(log_ratio.grad, torch.tensor([0.5, 0.5, 0.0]))


def test_truncated_weight_caps_the_weight_and_lets_the_gradient_only_through_log_p(checked: Callable) -> None:
    policy = torch.tensor([-1.0, -1.0, -1.0], requires_grad=True)
    ratio = torch.tensor([0.5, 2.0, 2.0], requires_grad=True)
    given = BoundedTokens(
        policy=policy,
        log_ratio=ratio.log(),
        ratio=ratio,
        bounded=torch.tensor([0.5, 2.0, 1.3]),  # the third token is masked
        advantages=torch.tensor([2.0, 1.0, 1.0]),
        sequence=THREE,
        usable=torch.ones(3, dtype=torch.bool),
    )
    loss = checked(LIKELIHOODS["truncated_weight"].loss)(given, TRUNCATED)
    torch.testing.assert_close(loss.detach(), torch.tensor([0.5 * 2.0, 1.3, 0.0]))
    loss.sum().backward()
    torch.testing.assert_close(policy.grad, torch.tensor([-0.5 * 2.0, -1.3, 0.0]))
    assert ratio.grad is None


def test_log_likelihood_gradient_is_the_advantage(checked: Callable) -> None:
    log_ratio = torch.tensor([0.1, -0.5, 1.0], requires_grad=True)
    advantages = torch.tensor([2.0, -1.0, 1.0])
    checked(LIKELIHOODS["log_likelihood"].loss)(
        bounded(log_ratio, advantages, THREE, mask="clip"), CONFIG
    ).sum().backward()
    # e^-.5 and e^1 are outside the clip
    torch.testing.assert_close(log_ratio.grad, torch.tensor([-2.0, 0.0, 0.0]))


def test_mirror_coefficient_by_hand(checked: Callable) -> None:
    """A = .5, tau = .1, the answer's log-ratio .2 over two tokens: each token's coefficient is .5 - .1 * .2 =
    .48."""
    log_ratio = torch.tensor([0.15, 0.05, 0.0], requires_grad=True)
    loss = checked(LIKELIHOODS["mirror"].loss)(
        bounded(log_ratio, torch.tensor([0.5, 0.5, 0.0]), THREE), MIRROR
    )
    assert loss.sum().item() == pytest.approx(-0.5 * 0.2 + 0.05 * 0.2**2)
    loss.sum().backward()
    torch.testing.assert_close(log_ratio.grad, torch.tensor([-0.48, -0.48, 0.0]))


def test_mirror_pulls_back_samples_without_advantage() -> None:
    log_ratio = torch.tensor([0.3, 0.3, 0.0], requires_grad=True)
    LIKELIHOODS["mirror"].loss(bounded(log_ratio, torch.zeros(3), THREE), MIRROR).sum().backward()
    torch.testing.assert_close(log_ratio.grad, torch.tensor([0.06, 0.06, 0.0]))
    assert LIKELIHOODS["mirror"].without_advantage


MISMATCH = torch.tensor([0.0, 1.0, -0.5])
ALL = torch.ones(3, dtype=torch.bool)


@pytest.mark.parametrize(
    ("importance", "expected"),
    [("token", [1.0, 2.0, math.exp(-0.5)]), ("sequence", [2.0, 2.0, math.exp(-0.5)])],
)
def test_importance_weights_are_capped_constants(
    checked: Callable, importance: str, expected: list[float]
) -> None:
    chosen = AlgorithmConfig.model_validate({"importance": importance})
    got = checked(IMPORTANCE[importance])(MISMATCH, THREE, ALL, chosen)
    torch.testing.assert_close(got, torch.tensor(expected))
    assert not correction(MISMATCH.clone().requires_grad_(), THREE, ALL, chosen).weight.requires_grad


def test_bands_take_tokens_or_whole_sequences(checked: Callable) -> None:
    """Ratios 1, e, .61; geometric means e^.5 for the first sequence and .61 for the second."""
    token = CONFIG.model_copy(update={"token_band": (0.7, 2.0)})
    assert checked(correction)(MISMATCH, THREE, ALL, token).kept.tolist() == [True, False, False]
    sequence = CONFIG.model_copy(update={"sequence_band": (0.7, 2.0)})
    assert checked(correction)(MISMATCH, THREE, ALL, sequence).kept.tolist() == [True, True, False]
    both = CONFIG.model_copy(update={"token_band": (0.1, 2.0), "sequence_band": (0.7, 2.0)})
    assert checked(correction)(MISMATCH, THREE, ALL, both).kept.tolist() == [True, False, False]


def test_no_correction_changes_nothing_and_a_band_survives_infinite_losses() -> None:
    none = correction(MISMATCH, THREE, ALL, CONFIG)
    loss = torch.tensor([1.0, 2.0, 3.0])
    assert none.weight is None and none.kept is None and none.apply(loss) is loss
    banded = correction(MISMATCH, THREE, ALL, CONFIG.model_copy(update={"token_band": (0.7, 2.0)}))
    assert banded.apply(torch.tensor([1.0, math.inf, math.nan])).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("name", "value", "gradient"),
    [("k1", 0.5, 1.0), ("k2", 0.125, 0.5), ("k3", math.exp(-0.5) - 0.5, 1 - math.exp(-0.5))],
)
def test_kl_estimators_by_hand(checked: Callable, name: str, value: float, gradient: float) -> None:
    policy = torch.tensor([-1.0], requires_grad=True)
    got = checked(KL_ESTIMATORS[name])(policy, torch.tensor([-1.5]), 20.0)
    assert got.item() == pytest.approx(value)
    got.sum().backward()
    assert policy.grad.item() == pytest.approx(gradient)


def test_k1_and_k3_are_unbiased_and_k2_has_the_right_gradient() -> None:
    """Over a whole distribution: the means are KL(p || q), and the mean gradient of k2 in the loss is that of
    KL."""
    logits = torch.tensor([0.3, -0.2, 1.0], dtype=torch.float64, requires_grad=True)
    q = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    log_p = logits.log_softmax(0)
    p = log_p.exp()
    kl = (p * (log_p - q.log())).sum()
    for name in ("k1", "k3"):
        torch.testing.assert_close((p * KL_ESTIMATORS[name](log_p, q.log(), 20.0)).sum(), kl)
    (true,) = torch.autograd.grad(kl, logits, retain_graph=True)
    for name, right in (("k1", False), ("k2", True), ("k3", False)):
        (got,) = torch.autograd.grad(
            (p.detach() * KL_ESTIMATORS[name](log_p, q.log(), 20.0)).sum(), logits, retain_graph=True
        )
        assert torch.allclose(got, true) is right, name


def test_the_adaptive_coefficient_follows_its_target() -> None:
    assert adapted(0.1, measured=0.02, target=0.02, horizon=100) == 0.1
    assert adapted(0.1, measured=1.0, target=0.02, horizon=100) == pytest.approx(0.1 * 1.002)
    assert adapted(0.1, measured=0.0, target=0.02, horizon=100) == pytest.approx(0.1 * 0.998)
    assert adapted(0.1, measured=0.022, target=0.02, horizon=100) == pytest.approx(0.1 * 1.001)
