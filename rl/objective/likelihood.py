"""Likelihood gradients: how log p enters the loss of a token. A new one is a function and a line in
``LIKELIHOODS``.

Each has two halves: whose ratio the mask bounds (the token's or its sequence's), and the token's loss from
there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from rl.config.algorithm import AlgorithmConfig, MirrorLikelihood, TruncatedWeight
from rl.objective.ratios import each_token, whole_sequence
from rl.objective.sequences import sequence_sum
from rl.objective.shapes import PerToken, TokenFlags, TokenIds
from rollout.user_code import resolve_setting


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedTokens:
    """The tokens of one micro-batch after reference and mask: what a likelihood's loss reads."""

    policy: PerToken
    """[T] log p, with its gradient; 0 where not usable."""
    log_ratio: PerToken
    """[T] of the token alone, with its gradient, clamped to ``max_log_ratio``."""
    ratio: PerToken
    """[T] that the mask saw, with its gradient."""
    bounded: PerToken
    """[T] that the mask gave back; equal to ``ratio`` where the token keeps its gradient."""
    advantages: PerToken
    """[T]."""
    sequence: TokenIds
    """[T] index of each token's sample inside the micro-batch."""
    usable: TokenFlags
    """[T] False where a log-prob is not a number."""

    @property
    def kept(self) -> TokenFlags:
        """[T] True where the mask left the token its gradient."""
        return self.bounded.detach() == self.ratio.detach()


def token_ratio(tokens: BoundedTokens, config: AlgorithmConfig) -> PerToken:
    """[T] ``-bounded ratio * A``: the gradient flows through the ratio, as in PPO, GRPO and, with the
    sequence's ratio, GSPO. With the token's ratio it is ``-r A d log p`` on kept tokens and 0 on the
    others."""
    return -tokens.bounded * tokens.advantages


def truncated_weight(tokens: BoundedTokens, config: AlgorithmConfig) -> PerToken:
    """[T] ``-min(r, 1 + clip_high) * A * log p``, the weight detached (CISPO, MiniMax 2025, arXiv 2506.13585,
    eq. 4).

    With ``mask=none`` no token loses its gradient, which is CISPO's point; another mask takes it from the
    tokens it bounds.
    """
    assert isinstance(config.likelihood, TruncatedWeight)
    weight = tokens.ratio.detach().clamp(max=1 + config.likelihood.clip_high)
    # where() instead of a product: a masked token's log p may be -inf, and 0 * -inf is NaN.
    return torch.where(tokens.kept, -weight * tokens.advantages * tokens.policy, 0.0)


def log_likelihood(tokens: BoundedTokens, config: AlgorithmConfig) -> PerToken:
    """[T] ``-A log p`` on tokens that the mask keeps: REINFORCE (Williams 1992), and SFT where A is 1."""
    return torch.where(tokens.kept, -tokens.advantages * tokens.policy, 0.0)


def mirror(tokens: BoundedTokens, config: AlgorithmConfig) -> PerToken:
    """[T] whose sum over an answer is ``-A R + tau / 2 R^2``, R the log-ratio of the answer: REINFORCE with a
    squared log-ratio that holds it near the sampler (Kimi k1.5, arXiv 2501.12599, eq. 3).

    See docs/methods/objectives.md#mirror-descent.

    The gradient is ``-(A - tau R) d log p(answer)``; it needs every sample, since R alone has one where A is
    0.
    """
    assert isinstance(config.likelihood, MirrorLikelihood)
    kept = tokens.kept & tokens.usable
    answer = sequence_sum(tokens.log_ratio, tokens.sequence, kept)
    size = sequence_sum(torch.ones_like(answer), tokens.sequence, kept).clamp(min=1)
    # The square belongs to the answer; every token carries the same share of it.
    loss = -tokens.advantages * tokens.log_ratio + config.likelihood.tau / 2 * answer.square() / size
    return torch.where(kept, loss, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """One way in which log p enters the loss."""

    log_ratio: Callable[[PerToken, TokenIds, TokenFlags], PerToken] = each_token
    """``(token log-ratios, sequence, usable) -> log-ratio`` that the mask sees, [T]."""
    loss: Callable[[BoundedTokens, AlgorithmConfig], PerToken]
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


def resolve_likelihood(name: str) -> Likelihood:
    """The likelihood that ``algorithm.likelihood`` names: one of ``LIKELIHOODS``, or outside code
    (``pkg.module:attr``, a ``Likelihood``).

    Raises:
        ValueError: naming the field and the choices.
    """
    found = resolve_setting("algorithm.likelihood", name, LIKELIHOODS)
    if not isinstance(found, Likelihood):
        raise ValueError(f"algorithm.likelihood is {name!r}: it must be a rl.objective.likelihood.Likelihood")
    return found
