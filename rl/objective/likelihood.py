"""Likelihood gradients: how log p enters the loss of a token. A new one is one file and one line here.

Each has two halves: whose ratio the mask bounds (the token's or its sequence's), and the token's loss from
there.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rl.config.algorithm import AlgorithmConfig
from rl.objective.likelihood.log_likelihood import log_likelihood
from rl.objective.likelihood.mirror import mirror
from rl.objective.likelihood.ratios import each_token, whole_sequence
from rl.objective.likelihood.terms import Terms
from rl.objective.likelihood.token_ratio import token_ratio
from rl.objective.likelihood.truncated_weight import truncated_weight
from rl.objective.shapes import PerToken, TokenFlags, TokenIds


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """One way in which log p enters."""

    log_ratio: Callable[[PerToken, TokenIds, TokenFlags], PerToken] = each_token
    """``(token log-ratios, sequence, usable) -> log-ratio`` that the mask sees, [T]."""
    loss: Callable[[Terms, AlgorithmConfig], PerToken]
    """Loss of each token, [T]; to be minimised."""
    without_advantage: bool = False
    """True if a token of advantage 0 still has a gradient."""


LIKELIHOODS: dict[str, Likelihood] = {
    "token_ratio": Likelihood(loss=token_ratio),
    "sequence_ratio": Likelihood(log_ratio=whole_sequence, loss=token_ratio),
    "truncated_weight": Likelihood(loss=truncated_weight),
    "log_likelihood": Likelihood(loss=log_likelihood),
    "mirror": Likelihood(loss=mirror, without_advantage=True),
}
