"""PPO's clip, with its two sides set apart (clip-higher)."""

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.shapes import PerToken


def clip(ratio: PerToken, advantages: PerToken, config: AlgorithmConfig) -> PerToken:
    """[T] bounded ratio: at most ``1 + clip_high`` where the advantage is positive, at least ``1 - clip_low``
    elsewhere.

    Times the advantage this is ``min(r A, clip(r) A)`` (Schulman et al. 2017, arXiv 1707.06347, eq. 7);
    clip_high > clip_low is DAPO's clip-higher (Yu et al. 2025, arXiv 2503.14476, eq. 10).
    """
    return torch.where(
        advantages > 0, ratio.clamp(max=1 + config.clip_high), ratio.clamp(min=1 - config.clip_low)
    )
