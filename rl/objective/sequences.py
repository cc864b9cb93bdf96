"""Sums and means over the tokens of each sequence of a micro-batch, given back to every token."""

import torch

from rl.objective.shapes import PerToken, TokenFlags, TokenIds


def sequence_sum(values: PerToken, sequence: TokenIds, counted: TokenFlags) -> PerToken:
    """[T] the sum over the counted tokens of each token's sequence; gradients go to all of them."""
    if not len(values):
        return values
    totals = torch.zeros(int(sequence.max()) + 1, dtype=values.dtype, device=values.device)
    return totals.index_add(0, sequence, torch.where(counted, values, 0.0))[sequence]


def sequence_mean(values: PerToken, sequence: TokenIds, counted: TokenFlags) -> PerToken:
    """[T] the mean over the counted tokens of each token's sequence; 0 where none is counted."""
    size = sequence_sum(torch.ones_like(values), sequence, counted)
    return sequence_sum(values, sequence, counted) / size.clamp(min=1)
