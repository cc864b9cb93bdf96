"""Whose ratio the mask bounds."""

from rl.objective.sequences import sequence_mean
from rl.objective.shapes import PerToken, TokenFlags, TokenIds


def each_token(log_ratio: PerToken, sequence: TokenIds, usable: TokenFlags) -> PerToken:
    """[T] every token its own."""
    return log_ratio


def whole_sequence(log_ratio: PerToken, sequence: TokenIds, usable: TokenFlags) -> PerToken:
    """[T] the sequence's geometric mean, ``(p(y) / q(y)) ^ (1 / |y|)`` (GSPO, Zheng et al. 2025, arXiv
    2507.18071, eq. 7)."""
    return sequence_mean(log_ratio, sequence, usable)
