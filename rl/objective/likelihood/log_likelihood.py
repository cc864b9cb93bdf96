"""Plain log-likelihood: supervised fine-tuning with the advantage as the weight."""

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.likelihood.terms import Terms
from rl.objective.shapes import PerToken


def log_likelihood(terms: Terms, config: AlgorithmConfig) -> PerToken:
    """[T] ``-A log p`` on tokens that the mask keeps: REINFORCE (Williams 1992), and SFT where A is 1."""
    kept = terms.bounded.detach() == terms.ratio.detach()
    return torch.where(kept, -terms.advantages * terms.policy, 0.0)
