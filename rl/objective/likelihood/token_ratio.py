"""The gradient flows through the ratio, as in PPO, GRPO and, with the sequence's ratio, GSPO."""

from rl.config.algorithm import AlgorithmConfig
from rl.objective.likelihood.terms import Terms
from rl.objective.shapes import PerToken


def token_ratio(terms: Terms, config: AlgorithmConfig) -> PerToken:
    """[T] ``-bounded ratio * A``; with the token's ratio its gradient is ``-r A d log p`` on kept tokens and
    0 on the others."""
    return -terms.bounded * terms.advantages
