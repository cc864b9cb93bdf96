"""The whole estimator: hand-computed losses, gradient paths, masked and broken tokens, invariance to
splits."""

import math
from typing import Any

import pytest
import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.estimator import SUMS, policy_gradient_loss
from rl.objective.inputs import TokenInputs
from rl.objective.likelihood import LIKELIHOODS
from rl.objective.masks import MASKS
from rl.objective.ratios import REFERENCES


def inputs(policy: list[float], behavior: list[float], **other: Any) -> TokenInputs:
    count = len(policy)
    fields = {
        "advantages": torch.ones(count),
        "weights": torch.full((count,), 1 / max(count, 1)),
        "sequence": torch.arange(count),
    } | {k: torch.tensor(v) if isinstance(v, list) else v for k, v in other.items()}
    return TokenInputs(
        policy_logprobs=torch.tensor(policy, requires_grad=True),
        behavior_logprobs=torch.tensor(behavior),
        **fields,
    )


def config(**fields: Any) -> AlgorithmConfig:
    return AlgorithmConfig(**fields)


def sums(output: Any) -> dict[str, float]:
    return dict(zip(SUMS, output.sums.tolist(), strict=True))


def test_grpo_by_hand() -> None:
    """Ratios 1, 2, 0.5 with advantages 1, 1, -1: contributions 1, 1.28 (clipped high), -0.8 (clipped low), a
    third each."""
    given = inputs(
        [-1.0, -1.0, -2.0], [-1.0, -1.0 - math.log(2), -2.0 + math.log(2)], advantages=[1.0, 1.0, -1.0]
    )
    output = policy_gradient_loss(given, config())
    assert output.loss.item() == pytest.approx(-(1 + 1.28 - 0.8) / 3)
    output.loss.backward()
    torch.testing.assert_close(given.policy_logprobs.grad, torch.tensor([-1 / 3, 0.0, 0.0]))
    got = sums(output)
    assert got["tokens"] == 3 and got["ratio_clipped"] == 2 and got["dropped"] == 0
    assert got["ratio"] == pytest.approx(3.5) and got["neg_logprob"] == pytest.approx(4.0)
    assert got["abs_gap"] == pytest.approx(2 * math.log(2))
    assert got["kl_behavior_k3"] == pytest.approx((2 - 1 - math.log(2)) + (0.5 - 1 + math.log(2)))


def test_proximal_reference_with_truncated_importance_by_hand() -> None:
    """Ratio to the proximal policy 1.1; importance e^0.5 and, capped, 2."""
    given = inputs(
        [-1.0 + math.log(1.1), -1.0 + math.log(1.1)],
        [-1.5, -3.0],
        proximal_logprobs=[-1.0, -1.0],
        advantages=[1.0, -2.0],
    )
    output = policy_gradient_loss(given, config(reference="proximal", importance="token"))
    expected = [-1.1 * math.exp(0.5) / 2, 1.1 * 2 * 2.0 / 2]
    assert output.loss.item() == pytest.approx(sum(expected), rel=1e-5)
    output.loss.backward()
    torch.testing.assert_close(given.policy_logprobs.grad, torch.tensor(expected))
    assert sums(output)["importance_capped"] == 1


def test_current_reference_is_reinforce() -> None:
    given = inputs([-1.0, -2.0], [-5.0, -0.1], advantages=[2.0, -1.0])
    output = policy_gradient_loss(given, config(reference="current"))
    assert output.loss.item() == pytest.approx(-(2.0 - 1.0) / 2)
    output.loss.backward()
    torch.testing.assert_close(given.policy_logprobs.grad, torch.tensor([-1.0, 0.5]))


@pytest.mark.parametrize("mask", sorted(MASKS))
@pytest.mark.parametrize("reference", sorted(REFERENCES))
@pytest.mark.parametrize("likelihood", sorted(LIKELIHOODS))
class TestEveryCombination:
    """Contract of each part, picked up from the registries."""

    def test_the_loss_is_the_sum_of_its_splits(self, mask: str, reference: str, likelihood: str) -> None:
        chosen = config(
            mask=mask, reference=reference, likelihood=likelihood, importance={"name": "sequence", "cap": 1.5}
        )
        draw = torch.Generator().manual_seed(0)
        policy, behavior, proximal = (-4 * torch.rand(3, 12, generator=draw)).unbind()
        advantages, weights = torch.randn(12, generator=draw), torch.rand(12, generator=draw)
        sequence = torch.tensor([0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4])

        def loss(part: slice) -> Any:
            leaf = policy[part].clone().requires_grad_()
            output = policy_gradient_loss(
                TokenInputs(
                    policy_logprobs=leaf,
                    behavior_logprobs=behavior[part],
                    proximal_logprobs=proximal[part],
                    advantages=advantages[part],
                    sequence=sequence[part],
                    weights=weights[part],
                ),
                chosen,
            )
            output.loss.backward()
            return output, leaf.grad

        whole, gradient = loss(slice(0, 12))
        parts = [loss(slice(a, b)) for a, b in ((0, 1), (1, 7), (7, 12))]
        torch.testing.assert_close(sum(o.loss for o, _ in parts), whole.loss)
        torch.testing.assert_close(torch.cat([g for _, g in parts]), gradient)
        torch.testing.assert_close(sum(o.sums for o, _ in parts), whole.sums)
        assert gradient.abs().sum() > 0

    def test_weightless_tokens_get_no_gradient_and_are_not_counted(
        self, mask: str, reference: str, likelihood: str
    ) -> None:
        given = inputs([-1.0, -2.0], [-1.1, -2.1], weights=[0.5, 0.0], proximal_logprobs=[-1.0, -2.0])
        output = policy_gradient_loss(given, config(mask=mask, reference=reference, likelihood=likelihood))
        output.loss.backward()
        gradient = given.policy_logprobs.grad
        assert gradient is not None and gradient[1] == 0 and gradient[0] != 0
        assert sums(output)["tokens"] == 1

    def test_extreme_and_broken_log_probs_leave_everything_finite(
        self, mask: str, reference: str, likelihood: str
    ) -> None:
        inf, nan = math.inf, math.nan
        given = inputs(
            [-1.0, -1e4, -1.0, -inf, nan, -1.0, -1.0],
            [-1.0, -1.0, -1e4, -1.0, -1.0, -inf, nan],
            proximal_logprobs=[-1.0, -2.0, -1.0, -inf, nan, -1.0, -1.0],
            advantages=[1.0, -1.0, 1.0, 1.0, 1.0, -1.0, 1.0],
        )
        output = policy_gradient_loss(
            given, config(mask=mask, reference=reference, likelihood=likelihood, importance="token")
        )
        output.loss.backward()
        gradient = given.policy_logprobs.grad
        assert gradient is not None and gradient.isfinite().all() and (gradient[3:] == 0).all()
        assert output.loss.isfinite() and output.sums.isfinite().all()
        assert sums(output)["dropped"] == 4 and sums(output)["tokens"] == 3


def test_the_log_ratio_is_clamped_before_exp() -> None:
    given = inputs([0.0], [-1e4], advantages=[-1.0])
    output = policy_gradient_loss(given, config(mask="none", max_log_ratio=3.0))
    assert output.loss.item() == pytest.approx(math.exp(3.0), rel=1e-5)


def test_a_nan_advantage_reaches_the_gradient() -> None:
    given = inputs([-1.0, -1.0], [-1.0, -1.0], advantages=[math.nan, 1.0])
    policy_gradient_loss(given, config()).loss.backward()
    gradient = given.policy_logprobs.grad
    assert gradient is not None and gradient[0].isnan()


def test_an_empty_micro_batch_has_loss_zero() -> None:
    output = policy_gradient_loss(inputs([], []), config())
    assert output.loss.item() == 0 and output.loss.requires_grad and output.sums.sum() == 0
