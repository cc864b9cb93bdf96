"""The terms of one update: what its tokens bring to the losses before any forward pass."""

from dataclasses import dataclass, replace

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.advantages import resolve_advantage
from rl.objective.aggregation import AGGREGATIONS, GROUP_WEIGHTS
from rl.objective.samples import Samples, Tokens
from rl.objective.shapes import PerUpdateToken
from rl.objective.shaping import resolve_shaping


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTerms:
    """Advantages, weights and value targets of an update's loss tokens; the same on every rank."""

    advantages: PerUpdateToken
    """[U] float32; a sample that is 0 everywhere may need no forward pass."""
    weights: PerUpdateToken
    """[U] float32 weight of the token in the policy's loss: aggregation times group weight. Samples without
    gradient are in the denominators."""
    value_weights: PerUpdateToken
    """[U] float32 weight of the token in the critic's loss: every sampled token alike."""
    returns: PerUpdateToken | None = None
    """[U] float32 the critic's targets; None without one."""


def update_terms(samples: Samples, tokens: Tokens, config: AlgorithmConfig) -> UpdateTerms:
    """Shape the rewards, estimate the advantages, weigh the tokens; demonstrations have a loss of their own
    and advantage 0.

    ``samples.aux.token_advantages`` [S, longest] is a curriculum's own credit, by place among a sample's
    loss tokens; it replaces the estimator's advantages, not the critic's targets.
    """
    rewards = samples.rewards
    for part in config.shaping:
        rewards = resolve_shaping(part.name)(rewards, samples, **part.args)
    samples = replace(samples, rewards=rewards)
    estimate = resolve_advantage(config.advantage.name)(samples, tokens, config)
    advantages = estimate.advantages
    if config.advantage_scale == "batch_rms":
        advantages = _by_rms(advantages, tokens)
    given = samples.aux.token_advantages
    if given is not None:
        advantages = given[tokens.sample, tokens.position].to(advantages.dtype)
    if config.advantage_clip:
        advantages = advantages.clamp(-config.advantage_clip, config.advantage_clip)
    weights = AGGREGATIONS[config.aggregation](samples.lengths.double(), samples.max_tokens)
    weights = weights * GROUP_WEIGHTS[config.group_weight](samples.segment_ids)
    shown = samples.demonstration[tokens.sample]
    sampled = (~shown).float()
    return UpdateTerms(
        advantages=torch.where(shown, 0.0, advantages).float(),
        weights=weights[tokens.sample].float(),
        value_weights=sampled / sampled.sum().clamp(min=1),
        returns=None if estimate.returns is None else estimate.returns.float(),
    )


def _by_rms(advantages: PerUpdateToken, tokens: Tokens) -> PerUpdateToken:
    """[U] over the root mean square of the samples that have any (of a sample, over its tokens): one number
    for the batch, so prompts keep their weights."""
    _, counts = tokens.sample.unique_consecutive(return_counts=True)
    of_sample = torch.segment_reduce(advantages.double().square(), "mean", lengths=counts)
    nonzero = of_sample[of_sample != 0]
    return advantages if not len(nonzero) else advantages / nonzero.mean().sqrt()
