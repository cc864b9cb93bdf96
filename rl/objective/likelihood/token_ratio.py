"""The gradient flows through the token's ratio, as in PPO and GRPO."""

from rl.config.algorithm import AlgorithmConfig
from rl.objective.shapes import PerToken


def token_ratio(policy: PerToken, ratio: PerToken, bounded: PerToken, advantages: PerToken, config: AlgorithmConfig) -> PerToken:
    """[T] ``-bounded ratio * A``; its gradient is ``-r A d log p`` on kept tokens and 0 on the others."""
    return -bounded * advantages
