"""What a likelihood gradient is made of."""

from dataclasses import dataclass

from rl.objective.shapes import PerToken, TokenFlags, TokenIds


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """One micro-batch after reference and mask."""

    policy: PerToken
    """[T] log p, with its gradient; 0 where not usable."""
    log_ratio: PerToken
    """[T] of the token alone, with its gradient, not clamped."""
    ratio: PerToken
    """[T] that the mask saw, with its gradient."""
    bounded: PerToken
    """[T] that the mask gave back; equal to ``ratio`` where the token keeps its gradient."""
    advantages: PerToken
    """[T]."""
    sequence: TokenIds
    """[T]."""
    usable: TokenFlags
    """[T] False where a log-prob is not a number."""
