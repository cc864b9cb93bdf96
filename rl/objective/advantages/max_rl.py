"""MaxRL's advantage: the reward relative to the group's mean, whose expectation climbs log pass@1 instead of pass@1."""

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.samples import Samples
from rl.objective.segments import segment_mean, segment_varies
from rl.objective.shapes import PerSample


def max_rl(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] ``(r_i - mean) / mean`` over its group (Tajwar et al. 2026, arXiv 2602.02710): hard prompts weigh ``1 / p`` more.

    For rewards that are never negative; a group without any reward says nothing and gets 0, as does one of equal rewards.
    """
    values, ids = samples.rewards.double(), samples.segment_ids
    mean = segment_mean(values, ids)
    relative = (values - mean) / torch.where(mean == 0, 1.0, mean)
    return torch.where(segment_varies(values, ids), relative, 0.0).to(samples.rewards.dtype)
