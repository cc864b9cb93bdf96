"""What an advantage estimator returns, and the way from samples to tokens."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.samples import Samples, Tokens
from rl.objective.shapes import PerSample, PerUpdateToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Advantages of an update's tokens, and what the critic should have said."""

    advantages: PerUpdateToken
    """[N]."""
    returns: PerUpdateToken | None = None
    """[N] targets for the critic; None for estimators without one."""


SampleFunction = Callable[[Samples, AlgorithmConfig], PerSample]


def every_token(estimator: SampleFunction) -> Callable[[Samples, Tokens, AlgorithmConfig], Estimate]:
    """An estimator of whole samples as one of tokens. A KL penalty on the reward is taken from the sample's
    reward as a sum."""

    def estimate(samples: Samples, tokens: Tokens, config: AlgorithmConfig) -> Estimate:
        from dataclasses import replace

        if tokens.kl is not None:
            penalty = torch.zeros(len(samples.rewards), dtype=torch.float64).index_add_(
                0, tokens.sample, tokens.kl.double()
            )
            samples = replace(samples, rewards=(samples.rewards.double() - penalty).to(samples.rewards.dtype))
        return Estimate(advantages=estimator(samples, config)[tokens.sample])

    return estimate
