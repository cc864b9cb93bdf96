"""The gradient flows through log p, weighted by a truncated ratio that is a constant (CISPO)."""

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.likelihood.terms import Terms
from rl.objective.shapes import PerToken


def truncated_weight(terms: Terms, config: AlgorithmConfig) -> PerToken:
    """[T] ``-min(r, 1 + clip_high) * A * log p``, the weight detached (MiniMax 2025, arXiv 2506.13585, eq.
    4).

    With ``mask=none`` no token loses its gradient, which is CISPO's point; another mask takes it from the
    tokens it bounds.
    """
    weight = terms.ratio.detach().clamp(max=1 + config.clip_high)
    kept = terms.bounded.detach() == terms.ratio.detach()
    # where() instead of a product: a masked token's log p may be -inf, and 0 * -inf is NaN.
    return torch.where(kept, -weight * terms.advantages * terms.policy, 0.0)
