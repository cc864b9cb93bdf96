"""Parts of an objective and a learner as a user writes them, outside the project."""

from typing import Any

import torch

from rl.objective.advantages import every_token
from rl.objective.likelihood import Likelihood

NOT_A_FUNCTION = 3


@every_token
def halved(samples: Any, config: Any) -> torch.Tensor:
    """[S] half the reward."""
    return samples.rewards / 2


def only_rising(ratio: torch.Tensor, advantages: torch.Tensor, config: Any) -> torch.Tensor:
    """[T] the ratio where the advantage is positive, else 1."""
    return torch.where(advantages > 0, ratio, 1.0)


def _squared(tokens: Any, config: Any) -> torch.Tensor:
    return tokens.policy.square()


squared = Likelihood(loss=_squared, without_advantage=True)


def stairs(moment: Any, config: Any) -> float:
    """1 over the first half of the way, then 1/2."""
    return 1.0 if moment.progress < 0.5 else 0.5


def plain_sgd(model: torch.nn.Module, config: Any) -> torch.optim.Optimizer:
    """Without momentum."""
    return torch.optim.SGD(model.parameters(), lr=config.lr)
