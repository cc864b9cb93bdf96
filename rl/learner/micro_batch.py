"""Micro-batches: which samples each one holds, and the tensors of one, cut out of the columnar batch.

Which samples go where is a pure function of the batch, so every rank computes the same layout and picks its
own part without talking. B = rows, L = the longest row less one (the last token is never an input), T = loss
tokens of all rows.
"""

import heapq
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rl.batch.types import TrainingBatch
from rl.learner.shared_prompts import row_length, shared_layout, shared_rows

if TYPE_CHECKING:  # a GPU is rehearsed where there is no pydantic, which the settings need
    from rl.learner.context import StepContext

OVERHEAD_SHARE = 1 / 16
"""Cost of a micro-batch besides its tokens, as a share of the token budget: a forward and backward pass of
nothing."""


@dataclass(frozen=True, slots=True)
class MicroBatchPlan:
    """The samples of one forward-backward."""

    samples: np.ndarray
    """[B] int64 sample indices, longest first; rows with shared prompts: their indices."""
    padding: bool = False
    """True for a micro-batch of weight zero, there only because another rank has one more: ZeRO-2/3 reduce
    gradients in every backward, and a rank that runs fewer of them hangs the others."""
    most_loss_tokens: int = 0
    """The most loss tokens of the micro-batches that the ranks run at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatch:
    """Inputs of the model, and where in the flat batch each loss token came from."""

    input_ids: torch.Tensor
    """[B, L] int64, right-padded with 0; under a causal mask what follows a token cannot change it, so no
    attention mask is needed. Packed (``varlen``): [1, sum of lengths]."""
    position_ids: torch.Tensor | None
    """None when padded (0, 1, 2, ... in every row). Packed: restarts at 0 with every sample."""
    boundaries: torch.Tensor | None
    """None when padded. Packed: [B + 1] int32 where each sample begins and the last one ends; stays on the
    host. Shared prompts: [B, L] int16 the part of the row that a position is of
    (``rl.learner.shared_prompts``)."""
    select: torch.Tensor
    """[T] int64 index into the flattened inputs of the position that predicts each loss token."""
    targets: torch.Tensor
    """[T] int64 the loss tokens themselves."""
    flat: np.ndarray
    """[T] int64 index of each loss token in ``TrainingBatch.token_ids``."""
    sample: np.ndarray
    """[T] int64 sample index of each loss token."""
    num_tokens: int
    """Tokens of the samples, prompts included, padding not."""
    most_loss_tokens: int
    """The largest T of the micro-batches that the ranks run at the same time."""
    padding: bool = False
    """True for a micro-batch of weight zero; see ``MicroBatchPlan``."""

    @property
    def for_states(self) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None, torch.Tensor]:
        """Arguments of a trunk: rows, positions, boundaries, and what to keep of the states."""
        return self.input_ids, self.position_ids, self.boundaries, self.select

    def for_logprobs(self, temperature: float) -> tuple[Any, ...]:
        """Arguments of ``LogprobModel``."""
        return *self.for_states, self.targets, temperature, self.most_loss_tokens

    def to(self, device: torch.device) -> "MicroBatch":
        """The same micro-batch with its tensors on ``device``."""
        if device.type == "cpu":
            return self
        positions = None if self.position_ids is None else self.position_ids.to(device, non_blocking=True)
        return replace(
            self,
            input_ids=self.input_ids.to(device, non_blocking=True),
            position_ids=positions,
            select=self.select.to(device, non_blocking=True),
            targets=self.targets.to(device, non_blocking=True),
        )


def own_micro_batches(batch: TrainingBatch, wanted: np.ndarray, context: "StepContext") -> list[MicroBatch]:
    """This rank's micro-batches of the samples where ``wanted`` [S], padding ones included."""
    if context.config.packing.name == "shared":
        return _own_shared(batch, np.flatnonzero(wanted), context)
    plans = plan_micro_batches(
        np.diff(batch.offsets),
        np.flatnonzero(wanted),
        world_size=context.world_size,
        token_budget=context.config.micro_batch_tokens,
        loss_tokens=np.add.reduceat(batch.loss_mask.astype(np.int64), batch.offsets[:-1]),
    )[context.rank]
    return [build_micro_batch(batch, plan, packed=context.config.packing.name == "varlen") for plan in plans]


def _own_shared(batch: TrainingBatch, samples: np.ndarray, context: "StepContext") -> list[MicroBatch]:
    """The same in rows with shared prompts, planned as if each row were a sample."""
    budget = context.config.micro_batch_tokens
    # With nothing to train the shortest sample is there to be padding.
    spare = np.array([np.argmin(np.diff(batch.offsets))])
    rows = shared_rows(batch, samples if len(samples) else spare, token_budget=budget)
    loss_tokens = np.add.reduceat(batch.loss_mask.astype(np.int64), batch.offsets[:-1])
    plans = plan_micro_batches(
        np.array([row_length(batch, row) for row in rows]),
        np.arange(len(rows) if len(samples) else 0),
        world_size=context.world_size,
        token_budget=budget,
        loss_tokens=np.array([loss_tokens[row].sum() for row in rows]),
    )[context.rank]
    return [build_shared_micro_batch(batch, plan, [rows[i] for i in plan.samples]) for plan in plans]


def build_shared_micro_batch(
    batch: TrainingBatch, plan: MicroBatchPlan, rows: list[np.ndarray]
) -> MicroBatch:
    """Rows that hold their samples' prompt once."""
    layout = shared_layout(batch, rows)
    return MicroBatch(
        input_ids=torch.from_numpy(layout.inputs),
        position_ids=torch.from_numpy(layout.positions),
        boundaries=torch.from_numpy(layout.parts),
        select=torch.from_numpy(layout.select),
        targets=torch.from_numpy(batch.token_ids[layout.flat].astype(np.int64)),
        flat=layout.flat,
        sample=layout.sample,
        num_tokens=int(np.diff(batch.offsets)[np.concatenate(rows)].sum()),
        most_loss_tokens=max(plan.most_loss_tokens, len(layout.flat)),
        padding=plan.padding,
    )


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
    count = max(1, *(len(plans) for plans in ranks))
    spare = int(samples[np.argmin(lengths[samples])]) if len(samples) else int(np.argmin(lengths))
    padding = MicroBatchPlan(np.array([spare], dtype=np.int64), padding=True)
    plans = [plans + [padding] * (count - len(plans)) for plans in ranks]
    counts = lengths if loss_tokens is None else loss_tokens
    largest = [
        max(int(counts[plan.samples].sum()) for plan in together) for together in zip(*plans, strict=True)
    ]
    return [
        [replace(plan, most_loss_tokens=most) for plan, most in zip(own, largest, strict=True)]
        for own in plans
    ]


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


def build_micro_batch(batch: TrainingBatch, plan: MicroBatchPlan, *, packed: bool) -> MicroBatch:
    """Right-padded rows, or all rows packed one after the other. Token k of a sample is predicted at its
    position k - 1."""
    rows, lengths = plan.samples, np.diff(batch.offsets)[plan.samples]
    starts = batch.offsets[:-1][rows]
    # [B, L] index of every input token in the flat batch; padded positions point at the row's last token and
    # are not used.
    columns = np.arange(max(int(lengths.max()) - 1, 1))
    inside = columns[None, :] < (lengths - 1)[:, None]
    index = starts[:, None] + np.minimum(columns[None, :], np.maximum(lengths - 2, 0)[:, None])
    inputs = np.where(inside, batch.token_ids[index], 0)
    predicts_loss = inside & batch.loss_mask[np.minimum(index + 1, len(batch.loss_mask) - 1)]
    row, column = np.nonzero(predicts_loss)
    flat = index[row, column] + 1
    position_ids = boundaries = None
    select = row * len(columns) + column
    if packed:
        ends = np.concatenate([[0], np.cumsum(inside.sum(1))])
        select = ends[row] + column
        boundaries = torch.from_numpy(ends.astype(np.int32))
        position_ids = torch.from_numpy(np.broadcast_to(columns, inside.shape)[inside][None, :].copy())
        inputs = inputs[inside][None, :]
    return MicroBatch(
        input_ids=torch.from_numpy(inputs.astype(np.int64)),
        position_ids=position_ids,
        boundaries=boundaries,
        select=torch.from_numpy(select),
        targets=torch.from_numpy(batch.token_ids[flat].astype(np.int64)),
        flat=flat,
        sample=rows[row],
        num_tokens=int(lengths.sum()),
        most_loss_tokens=max(plan.most_loss_tokens, len(flat)),
        padding=plan.padding,
    )
