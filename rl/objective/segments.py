"""Sums over groups of unequal size, by segment id; nothing here reshapes to ``[groups, n]``."""

import torch

from rl.objective.shapes import PerSample, SegmentIds


def segment_sum(values: PerSample, segment_ids: SegmentIds) -> PerSample:
    """[S] the sum over each sample's group, given to every member."""
    totals = torch.zeros(int(segment_ids.max()) + 1, dtype=values.dtype).index_add_(
        0, segment_ids.long(), values
    )
    return totals[segment_ids.long()]


def segment_size(segment_ids: SegmentIds) -> PerSample:
    """[S] float64 members of each sample's group."""
    return segment_sum(torch.ones(len(segment_ids), dtype=torch.float64), segment_ids)


def segment_varies(values: PerSample, segment_ids: SegmentIds) -> torch.Tensor:
    """[S] bool, False where all members of the group hold the same number.

    Compares instead of testing a variance against zero: the mean of sixteen times 0.1 is not 0.1 in floating
    point.
    """
    ids = segment_ids.long()
    count = int(ids.max()) + 1
    low = torch.full((count,), torch.inf, dtype=values.dtype).scatter_reduce_(0, ids, values, "amin")
    high = torch.full((count,), -torch.inf, dtype=values.dtype).scatter_reduce_(0, ids, values, "amax")
    return (low != high)[ids]


def where_segment_varies(result: PerSample, values: PerSample, segment_ids: SegmentIds) -> PerSample:
    """[S] ``result`` in the dtype of ``values``; exactly 0 in groups whose ``values`` are all the same, where
    rounding would leave a trace."""
    return torch.where(segment_varies(values, segment_ids), result, 0.0).to(values.dtype)


def segment_mean(values: PerSample, segment_ids: SegmentIds) -> PerSample:
    """[S] the mean over each sample's group."""
    return segment_sum(values, segment_ids) / segment_size(segment_ids)
