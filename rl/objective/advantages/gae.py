"""Generalised advantage estimation: what a token changed, by the critic's own account, blended over
horizons."""

import torch

from rl.config.algorithm import AlgorithmConfig, GaeAdvantage
from rl.objective.advantages.estimate import Estimate
from rl.objective.advantages.whitening import EPSILON, whitened_where
from rl.objective.samples import Samples, Tokens
from rl.objective.shapes import PerUpdateToken


def gae(samples: Samples, tokens: Tokens, config: AlgorithmConfig) -> Estimate:
    """[U] ``sum over l of (gamma lam)^l (r_{t+l} + gamma V_{t+l+1} - V_{t+l})`` (Schulman et al. 2015, arXiv
    1506.02438, eq. 16).

    The reward comes with the last token, the KL penalty with each; after the last token the value is 0.
    Returns are the unwhitened advantages plus the values. Computed in float64, over loss tokens only (tool
    tokens in between are skipped).
    """
    settings = config.advantage
    assert isinstance(settings, GaeAdvantage) and tokens.values is not None
    values, last = tokens.values.double(), _last_of_sample(tokens.sample)
    rewards = torch.where(last, samples.rewards.double()[tokens.sample], 0.0)
    if tokens.kl is not None:
        rewards = rewards - tokens.kl.double()
    if settings.whiten_rewards and len(rewards) > 1:
        rewards = rewards / (rewards.std() + EPSILON)
    following = torch.where(last, 0.0, torch.cat([values[1:], values.new_zeros(1)]))
    delta = rewards + settings.gamma * following - values
    advantages = _discounted_sums(delta, last, settings.gamma * settings.lam)
    returns = advantages + values
    sampled = ~samples.demonstration[tokens.sample]
    return Estimate(
        advantages=whitened_where(advantages, sampled) if settings.whiten else advantages, returns=returns
    )


def _last_of_sample(sample: torch.Tensor) -> torch.Tensor:
    """[U] True on the last loss token of each sample."""
    last = torch.ones(len(sample), dtype=torch.bool)
    last[:-1] = sample[1:] != sample[:-1]
    return last


def _discounted_sums(delta: PerUpdateToken, last: torch.Tensor, factor: float) -> PerUpdateToken:
    """[U] ``delta_t + factor * delta_{t+1} + ...`` to the end of each sample; one pass over positions, all
    samples at once."""
    out = delta.clone()
    ends = torch.nonzero(last).flatten()
    starts = torch.cat([ends.new_zeros(1), ends[:-1] + 1])
    position = ends - 1
    active = position >= starts
    while bool(active.any()):
        at = position[active]
        out[at] = delta[at] + factor * out[at + 1]
        position = position - 1
        active = position >= starts
    return out
