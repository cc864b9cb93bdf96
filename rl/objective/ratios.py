"""The probability ratio of a token: whose log-probs the policy is compared with (``REFERENCES``), and whether
the mask bounds the token's own ratio or its sequence's. References are constants to the gradient."""

from collections.abc import Callable

from rl.objective.sequences import sequence_mean
from rl.objective.shapes import PerToken, TokenFlags, TokenIds


def behavior_reference(policy: PerToken, behavior: PerToken, proximal: PerToken | None) -> PerToken:
    """[T] the sampler's log-probs: one ratio corrects for staleness and bounds the update."""
    return behavior


def proximal_reference(policy: PerToken, behavior: PerToken, proximal: PerToken | None) -> PerToken:
    """[T] log-probs under the learner's weights at the start of the batch (decoupled PPO, Hilton et al. 2021,
    arXiv 2110.00641).

    On the first update of a batch those are the policy's own, so None stands for them.
    """
    return policy.detach() if proximal is None else proximal


def current_reference(policy: PerToken, behavior: PerToken, proximal: PerToken | None) -> PerToken:
    """[T] the policy's own log-probs, detached: the ratio is 1 and the gradient REINFORCE's, staleness
    uncorrected."""
    return policy.detach()


ReferenceFunction = Callable[[PerToken, PerToken, PerToken | None], PerToken]

REFERENCES: dict[str, ReferenceFunction] = {
    "behavior": behavior_reference,
    "proximal": proximal_reference,
    "current": current_reference,
}


def each_token(log_ratio: PerToken, sequence: TokenIds, usable: TokenFlags) -> PerToken:
    """[T] every token its own."""
    return log_ratio


def whole_sequence(log_ratio: PerToken, sequence: TokenIds, usable: TokenFlags) -> PerToken:
    """[T] the sequence's geometric mean, ``(p(y) / q(y)) ^ (1 / |y|)`` (GSPO, Zheng et al. 2025, arXiv
    2507.18071, eq. 7)."""
    return sequence_mean(log_ratio, sequence, usable)
