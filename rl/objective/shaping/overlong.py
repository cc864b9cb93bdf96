"""Soft overlong punishment: a slope before the length limit instead of a cliff at it.

See docs/methods/lengths.md#overlong-punishment.
"""

from rl.objective.samples import Samples
from rl.objective.shapes import PerSample


def overlong(
    rewards: PerSample, samples: Samples, *, buffer_share: float = 0.2, penalty: float = 1.0
) -> PerSample:
    """[S] less up to ``penalty``, rising linearly over the last ``buffer_share`` of the completion limit
    (DAPO, Yu et al. 2025, arXiv 2503.14476, eq. 13).

    Example: limit 100, buffer 0.2, penalty 1: 80 tokens lose 0, 90 lose 0.5, 100 lose 1.
    """
    buffer = buffer_share * samples.max_tokens
    excess = samples.lengths - (samples.max_tokens - buffer)
    return rewards - penalty * (excess / buffer).clamp(0, 1).to(rewards.dtype)
