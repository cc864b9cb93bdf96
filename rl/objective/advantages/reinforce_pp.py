"""REINFORCE++: no critic and no group baseline, but standardised over the whole batch, with the KL in the
reward of each token."""

from dataclasses import replace

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.advantages.estimate import Estimate
from rl.objective.advantages.group_relative import dr_grpo
from rl.objective.advantages.whitening import whitened_where
from rl.objective.samples import Samples, Tokens
from rl.objective.shapes import PerUpdateToken


def reinforce_pp(samples: Samples, tokens: Tokens, config: AlgorithmConfig) -> Estimate:
    """[U] ``r - sum of the KL penalties from this token on``, to mean 0 and std 1 over the batch's tokens (Hu
    2025, arXiv 2501.03262, eq. 5 and 6). Works with groups of one."""
    to_go = _to_go(samples.rewards[tokens.sample].double(), tokens)
    return Estimate(advantages=whitened_where(to_go, ~samples.demonstration[tokens.sample]))


def reinforce_pp_baseline(samples: Samples, tokens: Tokens, config: AlgorithmConfig) -> Estimate:
    """[U] the same with the group's mean taken from the reward first (REINFORCE++-baseline, arXiv 2501.03262,
    section 3.3)."""
    centred = replace(samples, rewards=dr_grpo(samples, config))
    return reinforce_pp(centred, tokens, config)


def _to_go(rewards: PerUpdateToken, tokens: Tokens) -> PerUpdateToken:
    """[U] rewards minus what is still to be paid for KL."""
    if tokens.kl is None:
        return rewards
    paid = tokens.kl.double().cumsum(0)
    total = torch.zeros(int(tokens.sample.max()) + 1, dtype=torch.float64).index_add_(
        0, tokens.sample, tokens.kl.double()
    )
    # All penalties up to the end of the sample, less those before this token.
    until_end = total.cumsum(0)[tokens.sample]
    return rewards - (until_end - paid + tokens.kl.double())
