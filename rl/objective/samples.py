"""What each sample brings to the loss before any forward pass: its advantage and the weight of its tokens."""

from dataclasses import dataclass

from rl.config.algorithm import AlgorithmConfig
from rl.objective.advantages import ADVANTAGES
from rl.objective.aggregation import AGGREGATIONS
from rl.objective.group_weight import GROUP_WEIGHTS
from rl.objective.shapes import PerSample, SegmentIds


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleTerms:
    """Per-sample constants of one update, computed over all its samples on every rank alike."""

    advantages: PerSample
    """[S] float32; 0 means that the sample needs no forward pass."""
    token_weights: PerSample
    """[S] float32 weight of one token: aggregation times group weight. Samples without gradient are in the denominators."""


def sample_terms(
    rewards: PerSample, segment_ids: SegmentIds, valid_tokens: PerSample, *, config: AlgorithmConfig, max_tokens: int
) -> SampleTerms:
    """Advantages and token weights of one update's samples.

    ``valid_tokens`` [S] counts the loss tokens of each sample with a finite behaviour log-prob; ``max_tokens`` is the completion
    limit that Dr. GRPO divides by.
    """
    advantages = ADVANTAGES[config.advantage](rewards, segment_ids)
    if config.advantage_clip:
        advantages = advantages.clamp(-config.advantage_clip, config.advantage_clip)
    weights = AGGREGATIONS[config.aggregation](valid_tokens.double(), max_tokens)
    return SampleTerms(
        advantages=advantages.float(), token_weights=(weights * GROUP_WEIGHTS[config.group_weight](segment_ids)).float()
    )
