"""RLOO's advantage: the reward minus the mean of the others, an unbiased baseline."""

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.samples import Samples
from rl.objective.segments import segment_mean, segment_size, segment_varies
from rl.objective.shapes import PerSample


def rloo(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] ``r_i - mean(r of the other members)`` (Kool et al. 2019; Ahmadian et al. 2024, arXiv 2402.14740,
    eq. 9).

    That is ``n / (n - 1)`` times Dr. GRPO's, so only groups of unequal size tell them apart. A group of one
    gets 0.
    """
    values, ids = samples.rewards.double(), samples.segment_ids
    size = segment_size(ids)
    left_out = (values - segment_mean(values, ids)) * size / (size - 1).clamp(min=1)
    return torch.where(segment_varies(values, ids), left_out, 0.0).to(samples.rewards.dtype)
