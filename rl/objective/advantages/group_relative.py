"""Advantages that compare a sample with the others of its group, in four scales.

A group of one has no baseline and gets 0, as does a group whose rewards are all equal. Computed in float64.
"""

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.samples import Samples
from rl.objective.segments import segment_mean, segment_size, segment_sum, where_segment_varies
from rl.objective.shapes import PerSample

EPSILON = 1e-4


def grpo(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] ``(r_i - mean) / (std + 1e-4)`` over its group, std with n - 1 (Shao et al. 2024, arXiv 2402.03300,
    section 4.1)."""
    values, ids = samples.rewards.double(), samples.segment_ids
    centred = values - segment_mean(values, ids)
    std = (segment_sum(centred.square(), ids) / (segment_size(ids) - 1).clamp(min=1)).sqrt()
    return where_segment_varies(centred / (std + EPSILON), samples.rewards, ids)


def dr_grpo(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] ``r_i - mean(r in its group)``, without the division that favours easy and hard prompts (Liu et al.
    2025, arXiv 2503.20783, section 3.2)."""
    values, ids = samples.rewards.double(), samples.segment_ids
    return where_segment_varies(values - segment_mean(values, ids), samples.rewards, ids)


def rloo(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] ``r_i - mean(r of the other members)``, an unbiased baseline (Kool et al. 2019; Ahmadian et al.
    2024, arXiv 2402.14740, eq. 9).

    That is ``n / (n - 1)`` times Dr. GRPO's, so only groups of unequal size tell them apart.
    """
    values, ids = samples.rewards.double(), samples.segment_ids
    size = segment_size(ids)
    left_out = (values - segment_mean(values, ids)) * size / (size - 1).clamp(min=1)
    return where_segment_varies(left_out, samples.rewards, ids)


def max_rl(samples: Samples, config: AlgorithmConfig) -> PerSample:
    """[S] ``(r_i - mean) / mean of |r|`` over its group: hard prompts weigh ``1 / p`` more, and the
    expectation climbs log pass@1 instead of pass@1.

    Where no reward is negative that is ``(r_i - mean) / mean`` (Tajwar et al. 2026, arXiv 2602.02710).
    Penalties (overlong, KL in the reward) and reward models may make the mean negative, where dividing by it
    would reward the worst, or 0; the mean magnitude is neither.
    """
    values, ids = samples.rewards.double(), samples.segment_ids
    magnitude = segment_mean(values.abs(), ids)
    relative = (values - segment_mean(values, ids)) / torch.where(magnitude == 0, 1.0, magnitude)
    return where_segment_varies(relative, samples.rewards, ids)
