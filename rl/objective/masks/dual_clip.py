"""PPO's clip plus a ceiling for negative advantages, where the plain clip leaves the surrogate unbounded."""

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.shapes import PerToken


def dual_clip(ratio: PerToken, advantages: PerToken, config: AlgorithmConfig) -> PerToken:
    """[T] bounded ratio: as ``clip``, and at most ``dual_clip`` where the advantage is not positive.

    Times the advantage this is ``max(min(r A, clip(r) A), c A)`` for A < 0 (Ye et al. 2020, arXiv 1912.09729,
    eq. 5).
    """
    rising = ratio.clamp(max=1 + config.clip_high)
    falling = ratio.clamp(min=1 - config.clip_low, max=config.dual_clip)
    return torch.where(advantages > 0, rising, falling)
