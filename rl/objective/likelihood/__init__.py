"""Likelihood gradients: how log p enters the loss of a token. A new one is one file and one line here."""

from collections.abc import Callable

from rl.config.algorithm import AlgorithmConfig
from rl.objective.likelihood.token_ratio import token_ratio
from rl.objective.likelihood.truncated_weight import truncated_weight
from rl.objective.shapes import PerToken

LikelihoodFunction = Callable[[PerToken, PerToken, PerToken, PerToken, AlgorithmConfig], PerToken]
"""``(policy_logprobs, ratio, bounded, advantages, config) -> loss`` of each token, [T]; to be minimised."""

LIKELIHOODS: dict[str, LikelihoodFunction] = {"token_ratio": token_ratio, "truncated_weight": truncated_weight}
