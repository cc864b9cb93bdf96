"""Trust-GRPO: an auxiliary reward that counts less where it prefers wrong answers, and fades over the run.

See docs/methods/objectives.md#trust-grpo.
"""

import math

import torch

from rl.objective.samples import Samples
from rl.objective.segments import segment_sum
from rl.objective.shapes import PerSample


def trust(
    rewards: PerSample, samples: Samples, *, component: str, alpha: float = 0.3, threshold: float = 0.5
) -> PerSample:
    """[S] ``r + gamma alpha e^(-progress) aux`` (Fan et al. 2025, SophiaVL-R1, arXiv 2505.17018, eq. 4 to 6).

    ``aux`` is the reward component of that name. In each group gamma is 1 where right answers (``r >=
    threshold``) have the higher mean of it, else e to the difference; 0 where a group has no right or no
    wrong answer to compare.
    """
    extra, ids = samples.components[component].double(), samples.segment_ids
    right = (rewards >= threshold).double()
    num_right, num_wrong = segment_sum(right, ids), segment_sum(1 - right, ids)
    mean_right = segment_sum(extra * right, ids) / num_right.clamp(min=1)
    mean_wrong = segment_sum(extra * (1 - right), ids) / num_wrong.clamp(min=1)
    gamma = torch.where(mean_right >= mean_wrong, 1.0, (mean_right - mean_wrong).exp())
    gamma = torch.where((num_right > 0) & (num_wrong > 0), gamma, 0.0)
    return (rewards.double() + gamma * alpha * math.exp(-samples.progress) * extra).to(rewards.dtype)
