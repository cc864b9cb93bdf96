"""GRPO's advantage: the reward, standardised inside its group."""

import torch

from rl.objective.segments import segment_size, segment_sum, segment_varies
from rl.objective.shapes import PerSample, SegmentIds

EPSILON = 1e-4


def grpo(rewards: PerSample, segment_ids: SegmentIds) -> PerSample:
    """[S] ``(r_i - mean) / (std + 1e-4)`` over its group, std with n - 1 (Shao et al. 2024, arXiv 2402.03300, section 4.1).

    A group of one has no baseline and gets 0, as does a group whose rewards are all equal. Computed in float64.
    """
    values = rewards.double()
    size = segment_size(segment_ids)
    centred = values - segment_sum(values, segment_ids) / size
    std = (segment_sum(centred.square(), segment_ids) / (size - 1).clamp(min=1)).sqrt()
    return torch.where(segment_varies(values, segment_ids), centred / (std + EPSILON), 0.0).to(rewards.dtype)
