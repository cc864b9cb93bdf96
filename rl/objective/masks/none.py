"""No mask: every token keeps its gradient."""

from rl.config.algorithm import AlgorithmConfig
from rl.objective.shapes import PerToken


def no_mask(ratio: PerToken, advantages: PerToken, config: AlgorithmConfig) -> PerToken:
    """[T] the ratio, unbounded."""
    return ratio
