"""Numbers without gradients: per loss token of a batch (log-probs, values), and of whole sequences for the
engine-learner probe."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from rl.batch.types import TrainingBatch
from rl.learner.context import StepContext
from rl.learner.micro_batch import (
    MicroBatch,
    build_micro_batch,
    own_micro_batches,
    plan_micro_batches,
)


@torch.no_grad()
def scores_on_every_rank(
    score: Callable[[MicroBatch], torch.Tensor],
    batch: TrainingBatch,
    context: StepContext,
    device: torch.device,
) -> torch.Tensor:
    """[N] float32 scores of every loss token of the batch on every rank: each scores its own micro-batches,
    one reduction joins them.

    ``score`` maps a micro-batch on the device to [T]. Collective; padding micro-batches run too, since
    ZeRO-3's forward needs them.
    """
    with_tokens = np.add.reduceat(batch.loss_mask, batch.offsets[:-1]) > 0
    own = torch.zeros(len(batch.token_ids), dtype=torch.float32)
    for micro in own_micro_batches(batch, with_tokens, context):
        scores = score(micro.to(device)).float().cpu()
        if context.counted and not micro.padding:
            own[torch.from_numpy(micro.flat)] = scores
    everywhere = own.to(device)
    dist.all_reduce(everywhere)
    return everywhere.cpu()


@torch.no_grad()
def batch_logprobs(engine: Any, batch: TrainingBatch, micro_batches: Sequence[MicroBatch]) -> torch.Tensor:
    """[N] float32 log-probs of the micro-batches' loss tokens at the batch's temperature, 0 elsewhere;
    without dropout."""
    engine.eval()
    out = torch.zeros(len(batch.token_ids), dtype=torch.float32)
    for micro in micro_batches:
        logprobs = engine.module(*micro.to(engine.device).for_logprobs(batch.temperature))
        out[torch.from_numpy(micro.flat)] = logprobs.float().cpu()
    return out


def sequence_logprobs(
    engine: Any, sequences: Sequence[Sequence[int]], *, token_budget: int, packed: bool
) -> list[list[float]]:
    """[sequences][T - 1] log-probs of tokens 1..T-1 of each sequence at temperature 1. Every rank scores all
    of them.

    ValueError if a sequence has fewer than two tokens: it would have nothing to score.
    """
    if any(len(s) < 2 for s in sequences):
        raise ValueError("sequences: each needs at least two tokens, since the first has no log-prob")
    batch = _as_batch(sequences)
    plans = plan_micro_batches(
        np.diff(batch.offsets), np.arange(len(sequences)), world_size=1, token_budget=token_budget
    )[0]
    micro_batches = [build_micro_batch(batch, plan, packed=packed) for plan in plans]
    logprobs = batch_logprobs(engine, batch, micro_batches)
    return [
        logprobs[start + 1 : end].tolist()
        for start, end in zip(batch.offsets[:-1], batch.offsets[1:], strict=True)
    ]


def _as_batch(sequences: Sequence[Sequence[int]]) -> TrainingBatch:
    """Sequences as a batch whose every token but the first of each is a loss token."""
    count = len(sequences)
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in sequences])]).astype(np.int64)
    token_ids = np.concatenate([np.asarray(s, dtype=np.int32) for s in sequences])
    loss_mask = np.ones(len(token_ids), dtype=bool)
    loss_mask[offsets[:-1]] = False
    return TrainingBatch(
        step=-1,
        token_ids=token_ids,
        offsets=offsets,
        prompt_lens=np.ones(count, dtype=np.int32),
        loss_mask=loss_mask,
        behavior_logprobs=np.zeros(len(token_ids), dtype=np.float32),
        token_versions=np.full(len(token_ids), -1, dtype=np.int32),
        rewards=np.zeros(count, dtype=np.float32),
        correct=np.zeros(count, dtype=bool),
        truncated=np.zeros(count, dtype=bool),
        demonstration=np.zeros(count, dtype=bool),
        segment_ids=np.arange(count, dtype=np.int32),
        group_ids=np.arange(count, dtype=np.int64),
        temperature=1.0,
    )
