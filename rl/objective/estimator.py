"""The policy-gradient estimator: one loss, four interchangeable parts (mask, reference, advantage, likelihood).

    loss = sum over tokens of weight * importance * likelihood(bounded ratio, A),   ratio = exp(policy - reference)

The advantage and the weight come with the token (``rl.objective.samples``); everything else happens here, on flat tensors [T].
"""

from dataclasses import dataclass

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.importance import truncated_importance
from rl.objective.likelihood import LIKELIHOODS
from rl.objective.masks import MASKS
from rl.objective.references import REFERENCES
from rl.objective.shapes import PerToken, Scalar

SUMS = ("tokens", "ratio", "ratio_clipped", "neg_logprob", "kl_behavior_k3", "importance_capped", "dropped", "abs_gap")
"""Names of ``LossOutput.sums``, in order; all are sums over tokens, so that they add up over micro-batches and ranks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInputs:
    """The loss tokens of one micro-batch, flattened over its samples."""

    policy_logprobs: PerToken
    """[T] nats, under the weights being trained, at the sampling temperature; the only field with a gradient."""
    behavior_logprobs: PerToken
    """[T] nats, as the engine reported them."""
    proximal_logprobs: PerToken | None = None
    """[T] under the weights at the start of the batch; None on the first update, when they are the policy's own."""
    advantages: PerToken
    """[T]. Per token, so that an estimator with a critic fits; today every token holds its sample's."""
    weights: PerToken
    """[T] aggregation weight, global denominator included; 0 on padding micro-batches."""
    values: PerToken | None = None
    """[T] a critic's estimates; no estimator reads them yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossOutput:
    """The micro-batch's share of the loss, and its metrics as sums."""

    loss: Scalar
    """[] to be minimised; the shares of all micro-batches and ranks add up to the loss of the update."""
    sums: PerToken
    """[len(SUMS)] float64, detached."""


def policy_gradient_loss(inputs: TokenInputs, config: AlgorithmConfig) -> LossOutput:
    """The loss of one micro-batch.

    Tokens with a non-finite log-prob on either side are left out and counted as ``dropped``; those of the behaviour side were never
    in the weights' denominators, those of the policy side are only known now and stay in them. Log-ratios are clamped to
    ``max_log_ratio`` before exp, so that no ratio overflows; a clamped token gets no gradient through its ratio.
    """
    usable = torch.isfinite(inputs.policy_logprobs) & torch.isfinite(inputs.behavior_logprobs)
    policy = torch.where(usable, inputs.policy_logprobs, 0.0)
    behavior = torch.where(usable, inputs.behavior_logprobs, 0.0)
    proximal = inputs.proximal_logprobs
    if proximal is not None:
        proximal = torch.where(usable, proximal, 0.0)
    reference = REFERENCES[config.reference](policy, behavior, proximal)
    ratio = (policy - reference).clamp(-config.max_log_ratio, config.max_log_ratio).exp()
    bounded = MASKS[config.mask](ratio, inputs.advantages, config)
    token_loss = LIKELIHOODS[config.likelihood](policy, ratio, bounded, inputs.advantages, config)
    importance = _importance(reference, behavior, config)
    if importance is not None:
        token_loss = token_loss * importance
    weights = torch.where(usable, inputs.weights, 0.0)
    # An all-zero weight still has to reach every parameter, else ZeRO waits for a gradient that never comes.
    loss = (token_loss * weights).sum()
    sums = _sums(policy, behavior, ratio, bounded, importance, usable, weights, config)
    return LossOutput(loss=loss, sums=sums)


def _importance(reference: PerToken, behavior: PerToken, config: AlgorithmConfig) -> PerToken | None:
    """[T] truncated importance weights, or None where the ratio itself already corrects or nothing should."""
    if config.reference != "proximal" or config.importance_cap is None:
        return None
    return truncated_importance(reference, behavior, cap=config.importance_cap, max_log_ratio=config.max_log_ratio)


@torch.no_grad()
def _sums(
    policy: PerToken,
    behavior: PerToken,
    ratio: PerToken,
    bounded: PerToken,
    importance: PerToken | None,
    usable: torch.Tensor,
    weights: PerToken,
    config: AlgorithmConfig,
) -> torch.Tensor:
    """[len(SUMS)] metric sums over usable tokens of positive weight (padding micro-batches count nothing)."""
    counted = weights > 0
    log_ratio = (policy - behavior).clamp(-config.max_log_ratio, config.max_log_ratio)
    k3 = log_ratio.exp() - 1 - log_ratio
    capped = torch.zeros_like(ratio) if importance is None else (importance >= (config.importance_cap or torch.inf)).float()
    rows = torch.stack([torch.ones_like(ratio), ratio, (bounded != ratio).float(), -policy, k3, capped])
    sums = (rows * counted).sum(1, dtype=torch.float64)
    dropped = (~usable).sum().double()
    gap = ((policy - behavior).abs() * counted).sum(dtype=torch.float64)
    return torch.cat([sums, torch.stack([dropped, gap])])
