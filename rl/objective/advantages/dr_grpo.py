"""Dr. GRPO's advantage: the reward minus the group's mean, without the division that favours easy and hard prompts."""

import torch

from rl.objective.segments import segment_size, segment_sum, segment_varies
from rl.objective.shapes import PerSample, SegmentIds


def dr_grpo(rewards: PerSample, segment_ids: SegmentIds) -> PerSample:
    """[S] ``r_i - mean(r in its group)`` (Liu et al. 2025, arXiv 2503.20783, section 3.2).

    A group of one has no baseline and gets 0, as does a group whose rewards are all equal. Computed in float64.
    """
    values = rewards.double()
    mean = segment_sum(values, segment_ids) / segment_size(segment_ids)
    return torch.where(segment_varies(values, segment_ids), values - mean, 0.0).to(rewards.dtype)
