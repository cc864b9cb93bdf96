"""The gradient flows through log p, weighted by a truncated ratio that is a constant (CISPO)."""

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.shapes import PerToken


def truncated_weight(
    policy: PerToken, ratio: PerToken, bounded: PerToken, advantages: PerToken, config: AlgorithmConfig
) -> PerToken:
    """[T] ``-min(r, 1 + clip_high) * A * log p``, the weight detached (MiniMax 2025, arXiv 2506.13585, eq. 4).

    With ``mask=none`` no token loses its gradient, which is CISPO's point; another mask takes it from the tokens it bounds.
    """
    weight = ratio.detach().clamp(max=1 + config.clip_high)
    kept = bounded.detach() == ratio.detach()
    # where() instead of a product: a masked token's log p may be -inf, and 0 * -inf is NaN.
    return torch.where(kept, -weight * advantages * policy, 0.0)
