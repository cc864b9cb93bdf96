"""Which samples go where: shares of a batch, ranks, and length-sorted micro-batches under a padded-token
budget.

Everything is a pure function of the batch, so every rank computes the same plan and picks its own part
without talking.
"""

import heapq
from dataclasses import dataclass, replace

import numpy as np

OVERHEAD_SHARE = 1 / 16
"""What a micro-batch costs besides its tokens, as a share of the token budget: a forward and backward pass of
nothing."""


@dataclass(frozen=True, slots=True)
class MicroBatchPlan:
    """The samples of one forward-backward."""

    samples: np.ndarray
    """[B] int64 sample indices, longest first."""
    padding: bool = False
    """True for a micro-batch of weight zero, there only because another rank has one more: ZeRO-2/3 reduce
    gradients in every backward, and a rank that runs fewer of them hangs the others."""
    most: int = 0
    """The most loss tokens of the micro-batches that the ranks run at the same time."""


def shares_of_groups(segment_ids: np.ndarray, *, num_shares: int) -> list[np.ndarray]:
    """Disjoint sample indices of each update, whole groups dealt round robin; fewer shares than asked if
    groups are fewer.

    ``segment_ids`` [S] int. Round robin, because neighbours in a plan often share a category.
    """
    groups = np.unique(segment_ids)
    num_shares = min(num_shares, len(groups))
    return [np.flatnonzero(np.isin(segment_ids, groups[share::num_shares])) for share in range(num_shares)]


def plan_micro_batches(
    lengths: np.ndarray,
    samples: np.ndarray,
    *,
    world_size: int,
    token_budget: int,
    loss_tokens: np.ndarray | None = None,
) -> list[list[MicroBatchPlan]]:
    """[world_size][M] the micro-batches of every rank; M is the same for all of them and at least 1.

    ``lengths`` [S] tokens of every sample in the batch, ``loss_tokens`` [S] how many of them are predicted
    (None = every one); ``samples`` the indices that need a gradient. A micro-batch holds at most
    ``token_budget`` padded tokens, or a single longer sample. With nothing to train every rank still gets one
    padding micro-batch.
    """
    ranks = [_buckets(shard, lengths, token_budget) for shard in _shards(lengths, samples, world_size)]
    most = max(1, *(len(plans) for plans in ranks))
    spare = int(samples[np.argmin(lengths[samples])]) if len(samples) else int(np.argmin(lengths))
    padding = MicroBatchPlan(np.array([spare], dtype=np.int64), padding=True)
    plans = [plans + [padding] * (most - len(plans)) for plans in ranks]
    counts = lengths if loss_tokens is None else loss_tokens
    largest = [
        max(int(counts[plan.samples].sum()) for plan in together) for together in zip(*plans, strict=True)
    ]
    return [[replace(plan, most=most) for plan, most in zip(own, largest, strict=True)] for own in plans]


def _shards(lengths: np.ndarray, samples: np.ndarray, world_size: int) -> list[list[int]]:
    """Longest first to the rank with the fewest tokens so far: balanced to within one sample, ties to the
    lower index."""
    order = samples[np.argsort(-lengths[samples], kind="stable")].tolist()
    if world_size == 1:
        return [order]
    shards: list[list[int]] = [[] for _ in range(world_size)]
    load = [(0, rank) for rank in range(world_size)]
    for sample in order:
        tokens, rank = heapq.heappop(load)
        shards[rank].append(sample)
        heapq.heappush(load, (tokens + int(lengths[sample]), rank))
    return shards


def _buckets(order: list[int], lengths: np.ndarray, token_budget: int) -> list[MicroBatchPlan]:
    """Cut a longest-first list so that padding plus a fixed price for each micro-batch is least.

    Exact, by dynamic programming from the end: ``best[i]`` is the least cost of the samples from the i-th on.
    A bucket holds rows times its longest row in padded tokens, at most the budget; a sample longer than that
    stands alone.
    """
    sizes = lengths[order]
    count, price = len(order), token_budget * OVERHEAD_SHARE
    best, cut = np.zeros(count + 1), np.zeros(count, dtype=np.int64)
    for first in range(count - 1, -1, -1):
        rows = np.arange(1, max(1, min(token_budget // int(sizes[first]), count - first)) + 1)
        costs = price + rows * sizes[first] + best[first + rows]
        cut[first] = first + rows[np.argmin(costs)]
        best[first] = costs.min()
    plans, start = [], 0
    while start < count:
        plans.append(MicroBatchPlan(np.array(order[start : cut[start]], dtype=np.int64)))
        start = int(cut[start])
    return plans
