"""MaxRL's advantage: the reward relative to the group's mean, whose expectation climbs log pass@1 instead of
pass@1."""

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.samples import Samples
from rl.objective.segments import segment_mean, segment_varies
from rl.objective.shapes import PerSample


def max_rl(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] ``(r_i - mean) / mean of |r|`` over its group: hard prompts weigh ``1 / p`` more.

    Where no reward is negative that is ``(r_i - mean) / mean`` (Tajwar et al. 2026, arXiv 2602.02710).
    Penalties (overlong, KL in the reward) and reward models may make the mean negative, where dividing by it
    would reward the worst, or 0; the mean magnitude is neither. A group of equal rewards says nothing and
    gets 0.
    """
    values, ids = samples.rewards.double(), samples.segment_ids
    size = segment_mean(values.abs(), ids)
    relative = (values - segment_mean(values, ids)) / torch.where(size == 0, 1.0, size)
    return torch.where(segment_varies(values, ids), relative, 0.0).to(samples.rewards.dtype)
