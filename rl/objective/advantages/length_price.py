"""Subtract the planner's price of a token from a sample's advantage."""

import torch

from rl.objective.samples import Samples
from rl.objective.segments import segment_mean, segment_size
from rl.objective.shapes import PerSample


def length_price(samples: Samples, ks: PerSample) -> PerSample:
    """[S] ``lambda (k / n) (L_i - mean L of the others)``, to be taken off; 0 in groups without a success, of
    one, or of price 0.

    The second half of the planner's gradient (envelope theorem; docs/methods/passk_training.md#the-loop):
    every one of a query's k samples costs its tokens. ``aux.token_price`` [S] is lambda. A group that
    never succeeds would only learn to be short.

    Args:
        samples: of the update.
        ks: [S] pass@k target of each sample's group.
    """
    price = samples.aux.token_price
    if price is None:
        return torch.zeros_like(samples.rewards, dtype=torch.float64)
    ids, lengths = samples.segment_ids, samples.lengths.double()
    size = segment_size(ids)
    longer = (lengths - segment_mean(lengths, ids)) * size / (size - 1).clamp(min=1)
    solved = segment_mean(samples.correct.double(), ids) > 0
    return torch.where(solved, price.double() * ks.double() / size * longer, 0.0)
