r"""Parts of the loss and of the learner of your own: an advantage, a mask, a schedule and an optimizer.

Name each by file (or import path) in its field of the config; check it before you train::

    t2rl objective check examples/own_objective.py:median --kind advantage
    t2rl train quickstart algorithm.advantage=examples/own_objective.py:median
"""

from collections.abc import Iterable

import torch
from torch import nn

from rl.config.algorithm import AlgorithmConfig
from rl.config.choice import args_of
from rl.config.learner import LearnerConfig
from rl.learner.schedules import Moment
from rl.objective.advantages import every_token
from rl.objective.samples import Samples
from rl.objective.segments import segment_varies


@every_token
def median(samples: Samples, config: AlgorithmConfig) -> torch.Tensor:
    """[S] the reward less its group's median, which one very large reward does not move; 0 in groups of equal
    rewards."""
    rewards = samples.rewards.double()
    centre = torch.empty_like(rewards)
    for group in range(samples.num_groups):
        inside = samples.segment_ids == group
        centre[inside] = rewards[inside].quantile(0.5)
    varies = segment_varies(rewards, samples.segment_ids)
    return torch.where(varies, rewards - centre, 0.0).to(samples.rewards.dtype)


def symmetric(ratio: torch.Tensor, advantages: torch.Tensor, config: AlgorithmConfig) -> torch.Tensor:
    """[T] the ratio; further than ``algorithm.mask.args.width`` from 1 a constant, whatever the advantage."""
    width = args_of(config.mask).get("width", 0.2)
    return ratio.clamp(1 - width, 1 + width)


def square(moment: Moment, config: LearnerConfig) -> float:
    """``(1 - p)^2``, p the share of the way gone."""
    return (1 - moment.progress) ** 2


class Lion(torch.optim.Optimizer):
    """The sign of a momentum (Chen et al. 2023, arXiv 2302.06675, program 1), without weight decay."""

    def __init__(self, parameters: Iterable[nn.Parameter], *, lr: float, betas: tuple[float, float]) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step from the gradients that are there."""
        for group in self.param_groups:
            near, far = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
                parameter.add_(torch.lerp(parameter.grad, momentum, near).sign(), alpha=-group["lr"])
                momentum.lerp_(parameter.grad, 1 - far)


def lion(model: nn.Module, config: LearnerConfig) -> torch.optim.Optimizer:
    """Lion over the trainable parameters."""
    trainable = (parameter for parameter in model.parameters() if parameter.requires_grad)
    return Lion(trainable, lr=config.lr, betas=config.betas)
