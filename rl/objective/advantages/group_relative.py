"""GRPO's advantage: the reward, standardised inside its group."""

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.samples import Samples
from rl.objective.segments import segment_mean, segment_size, segment_sum, segment_varies
from rl.objective.shapes import PerSample

EPSILON = 1e-4


def grpo(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] ``(r_i - mean) / (std + 1e-4)`` over its group, std with n - 1 (Shao et al. 2024, arXiv 2402.03300,
    section 4.1).

    A group of one has no baseline and gets 0, as does a group whose rewards are all equal. Computed in
    float64.
    """
    values, ids = samples.rewards.double(), samples.segment_ids
    centred = values - segment_mean(values, ids)
    std = (segment_sum(centred.square(), ids) / (segment_size(ids) - 1).clamp(min=1)).sqrt()
    return torch.where(segment_varies(values, ids), centred / (std + EPSILON), 0.0).to(samples.rewards.dtype)
