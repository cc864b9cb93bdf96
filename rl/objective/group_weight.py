"""Group weights: what a group of unequal size counts for.

See docs/methods/objectives.md#unequal-groups.
"""

from collections.abc import Callable

import torch

from rl.objective.segments import segment_size
from rl.objective.shapes import PerSample, SegmentIds


def by_sample(segment_ids: SegmentIds) -> PerSample:
    """[S] every sample alike: a prompt with twice the rollouts counts twice."""
    return torch.ones(len(segment_ids), dtype=torch.float64)


def by_prompt(segment_ids: SegmentIds) -> PerSample:
    """[S] ``mean group size / N_i``: every prompt alike, and all 1 where the groups are equal."""
    size = segment_size(segment_ids)
    num_groups = len(torch.unique(segment_ids))
    return len(segment_ids) / num_groups / size


GroupWeightFunction = Callable[[SegmentIds], PerSample]

GROUP_WEIGHTS: dict[str, GroupWeightFunction] = {"sample": by_sample, "prompt": by_prompt}
