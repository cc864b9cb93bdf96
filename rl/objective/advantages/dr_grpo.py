"""Dr. GRPO's advantage: the reward minus the group's mean, without the division that favours easy and hard
prompts."""

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.samples import Samples
from rl.objective.segments import segment_mean, segment_varies
from rl.objective.shapes import PerSample


def dr_grpo(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] ``r_i - mean(r in its group)`` (Liu et al. 2025, arXiv 2503.20783, section 3.2).

    A group of one has no baseline and gets 0, as does a group whose rewards are all equal. Computed in
    float64.
    """
    values = samples.rewards.double()
    centred = values - segment_mean(values, samples.segment_ids)
    return torch.where(segment_varies(values, samples.segment_ids), centred, 0.0).to(samples.rewards.dtype)
