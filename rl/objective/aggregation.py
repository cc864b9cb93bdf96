"""Aggregation: how many times each token's loss counts, and what a group of unequal size counts for. All
denominators are global, over every rank and micro-batch.

An aggregation maps ``(valid_tokens [S], max_tokens)`` to the weight of *one* token of each sample, [S]
float64. The loss of an update is the sum of weight times token loss over all samples, so it cannot depend on
how they are split.
"""

from collections.abc import Callable

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.segments import segment_size
from rl.objective.shapes import PerSample, SegmentIds


def token_mean(valid_tokens: PerSample, max_tokens: int) -> PerSample:
    """[S] every token alike: ``1 / sum of valid tokens`` (DAPO, arXiv 2503.14476, eq. 8)."""
    return torch.full_like(valid_tokens, 1.0) / valid_tokens.sum().clamp(min=1)


def sequence_mean(valid_tokens: PerSample, max_tokens: int) -> PerSample:
    """[S] every sample alike: ``1 / (samples * valid tokens of the sample)`` (GRPO, arXiv 2402.03300, eq.
    3)."""
    return 1.0 / (len(valid_tokens) * valid_tokens.clamp(min=1))


def constant_length(valid_tokens: PerSample, max_tokens: int) -> PerSample:
    """[S] ``1 / (samples * max_tokens)``, free of the length bias (Dr. GRPO, arXiv 2503.20783, section
    3.2)."""
    return torch.full_like(valid_tokens, 1.0 / (len(valid_tokens) * max_tokens))


AggregationFunction = Callable[[PerSample, int], PerSample]

AGGREGATIONS: dict[str, AggregationFunction] = {
    "token": token_mean,
    "sequence": sequence_mean,
    "dr_grpo": constant_length,
}


def by_sample(segment_ids: SegmentIds) -> PerSample:
    """[S] every sample alike: a prompt with twice the rollouts counts twice."""
    return torch.ones(len(segment_ids), dtype=torch.float64)


def by_prompt(segment_ids: SegmentIds) -> PerSample:
    """[S] ``mean group size / own group size``: every prompt alike, and all 1 where the groups are equal.

    See docs/methods/objectives.md#unequal-groups.
    """
    size = segment_size(segment_ids)
    num_groups = len(torch.unique(segment_ids))
    return len(segment_ids) / num_groups / size


GroupWeightFunction = Callable[[SegmentIds], PerSample]

GROUP_WEIGHTS: dict[str, GroupWeightFunction] = {"sample": by_sample, "prompt": by_prompt}


def denominator(config: AlgorithmConfig, *, tokens: int, samples: int, groups: int) -> float:
    """The divisor that all token weights of an update have in common: times it they are a sample's own.

    Its three counts add up over parts of whole groups, so the loss of an update is the sum over its parts of
    ``loss of the part alone * denominator of the part / denominator of the update``.

    Args:
        config: names the aggregation and the group weight.
        tokens: loss tokens.
        samples: with loss tokens or without.
        groups: of those samples.
    """
    common = max(tokens, 1) if config.aggregation == "token" else samples
    return common * groups / samples if config.group_weight == "prompt" else common
