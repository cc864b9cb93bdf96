"""The policy-gradient estimator: one loss, four interchangeable parts (mask, reference, advantage,
likelihood).

    loss = sum over tokens of weight * (correction * likelihood(bounded ratio, A) + kl)
    ratio = exp(policy - reference)

The advantage and the weight come with the token (``rl.objective.samples``); everything else happens here, on
flat tensors [T].
"""

from dataclasses import dataclass

import torch

from rl.config.algorithm import AlgorithmConfig, CappedImportance
from rl.objective.correction import Correction, correction
from rl.objective.inputs import TokenInputs
from rl.objective.kl import KL_ESTIMATORS
from rl.objective.likelihood import BoundedTokens, resolve_likelihood
from rl.objective.masks import resolve_mask
from rl.objective.ratios import REFERENCES
from rl.objective.shapes import PerToken, Scalar

SUMS = (
    "tokens",
    "ratio",
    "ratio_clipped",
    "neg_logprob",
    "kl_behavior_k3",
    "importance_capped",
    "band_masked",
    "clamped",
    "abs_gap",
    "demonstration_tokens",
    "dropped",
)
"""Names of ``LossOutput.sums``, in order; all are sums over tokens, so that they add up over micro-batches
and ranks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossOutput:
    """The micro-batch's share of the loss, and its metrics as sums."""

    loss: Scalar
    """[] to be minimised; the shares of all micro-batches and ranks add up to the loss of the update."""
    sums: PerToken
    """[len(SUMS)] float64, detached."""


def policy_gradient_loss(inputs: TokenInputs, config: AlgorithmConfig) -> LossOutput:
    """The loss of one micro-batch.

    Tokens with a non-finite log-prob on either side are left out and counted as ``dropped``; those of the
    behaviour side were never in the weights' denominators, those of the policy side are only known now and
    stay in them. Log-ratios are clamped to ``max_log_ratio`` before exp, so that no ratio overflows; a
    clamped token gets no gradient through its ratio.
    """
    usable = torch.isfinite(inputs.policy_logprobs) & torch.isfinite(inputs.behavior_logprobs)
    if inputs.reference_logprobs is not None:
        usable &= torch.isfinite(inputs.reference_logprobs)
    policy = torch.where(usable, inputs.policy_logprobs, 0.0)
    behavior = torch.where(usable, inputs.behavior_logprobs, 0.0)
    proximal = (
        None if inputs.proximal_logprobs is None else torch.where(usable, inputs.proximal_logprobs, 0.0)
    )
    likelihood = resolve_likelihood(config.likelihood.name)
    limit = config.max_log_ratio
    log_ratio = policy - REFERENCES[config.reference](policy, behavior, proximal)
    ratio = likelihood.log_ratio(log_ratio, inputs.sequence, usable).clamp(-limit, limit).exp()
    tokens = BoundedTokens(
        policy=policy,
        log_ratio=log_ratio.clamp(-limit, limit),
        ratio=ratio,
        bounded=resolve_mask(config.mask.name)(ratio, inputs.advantages, config),
        advantages=inputs.advantages,
        sequence=inputs.sequence,
        usable=usable,
    )
    token_loss = likelihood.loss(tokens, config)
    start = policy.detach() if proximal is None else proximal
    corrected = correction(start - behavior, inputs.sequence, usable, config)
    token_loss = corrected.apply(token_loss)
    if inputs.reference_logprobs is not None:
        base = torch.where(usable, inputs.reference_logprobs, 0.0)
        assert config.kl is not None
        kl = KL_ESTIMATORS[config.kl.estimator](policy, base, limit)
        token_loss = token_loss + inputs.kl_coefficient * kl
    if inputs.demonstration is not None:
        coefficient = 0.0 if config.demonstrations is None else config.demonstrations.coefficient
        token_loss = torch.where(inputs.demonstration, -coefficient * policy, token_loss)
    weights = torch.where(usable, inputs.weights, 0.0)
    # An all-zero weight still has to reach every parameter, else ZeRO waits for a gradient that never comes.
    loss = (token_loss * weights).sum()
    return LossOutput(loss=loss, sums=_sums(inputs, tokens, behavior, corrected, weights, config))


@torch.no_grad()
def _sums(
    inputs: TokenInputs,
    tokens: BoundedTokens,
    behavior: PerToken,
    corrected: Correction,
    weights: PerToken,
    config: AlgorithmConfig,
) -> torch.Tensor:
    """[len(SUMS)] metric sums over usable, sampled tokens of positive weight (padding micro-batches count
    nothing)."""
    counted, nothing = weights > 0, torch.zeros_like(weights)
    shown = nothing.bool() if inputs.demonstration is None else inputs.demonstration & counted
    counted = counted & ~shown
    gap = tokens.policy - behavior
    log_ratio = gap.clamp(-config.max_log_ratio, config.max_log_ratio)
    capped = nothing
    if corrected.weight is not None and isinstance(config.importance, CappedImportance):
        capped = (corrected.weight >= config.importance.cap).float()
    rows = torch.stack(
        [
            torch.ones_like(weights),
            tokens.ratio,
            (tokens.bounded != tokens.ratio).float(),
            -tokens.policy,
            log_ratio.exp() - 1 - log_ratio,
            capped,
            nothing if corrected.kept is None else (~corrected.kept).float(),
            (tokens.log_ratio.abs() >= config.max_log_ratio).float(),
            gap.abs(),
        ]
    )
    # where() and not a product: what is not counted may be infinite.
    sums = torch.where(counted, rows, 0.0).sum(1, dtype=torch.float64)
    return torch.cat([sums, torch.stack([shown.sum().double(), (~tokens.usable).sum().double()])])
