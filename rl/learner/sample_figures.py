"""Figures of each sample of a batch when the step is over: for the records, not for training.

The log-probs are those that the first update's forward passes gave on the way to the loss, kept on the device
until the step is done, so nothing is computed twice and no number of the training changes.
"""

from collections.abc import Sequence

import numpy as np
import torch

from rl.batch.types import SampleFigures, TrainingBatch
from rl.learner.micro_batch import MicroBatch
from rl.learner.update_plan import PlannedUpdate

Scores = list[tuple[MicroBatch, torch.Tensor]]
"""Micro-batches of this rank with the log-probs [T] of their loss tokens, on the device."""


def sample_figures(
    batch: TrainingBatch, updates: Sequence[PlannedUpdate], scores: Scores, *, applied: int, tokens: bool
) -> SampleFigures:
    """The figures of one rank.

    Args:
        batch: as it was trained.
        updates: all that were planned.
        scores: from the first update's forward passes.
        applied: how many of the updates moved the policy.
        tokens: also give the figures of every token.
    """
    owner = np.repeat(np.arange(len(batch.rewards)), np.diff(batch.offsets))
    logprobs = _logprobs(batch, updates, scores)
    scored = np.flatnonzero(np.isfinite(logprobs) & ~batch.demonstration[owner])
    gap_mean, gap_max = _gaps(batch, owner, scored, logprobs)
    advantages = np.full(len(batch.token_ids), np.nan, dtype=np.float32)
    updated = np.zeros(len(batch.rewards), dtype=bool)
    for number, update in enumerate(updates):
        advantages[update.flat] = update.terms.advantages.numpy()
        updated[owner[update.flat]] = number < applied
    advantages[batch.demonstration[owner]] = np.nan
    return SampleFigures(
        updated=updated,
        advantage=_means(advantages, owner, len(batch.rewards)),
        gap_mean=gap_mean,
        gap_max=gap_max,
        token_advantages=advantages if tokens else None,
        token_logprobs=logprobs if tokens else None,
    )


def _logprobs(batch: TrainingBatch, updates: Sequence[PlannedUpdate], scores: Scores) -> np.ndarray:
    """[N] float32 of this rank's loss tokens under the weights at the start of the batch, NaN elsewhere."""
    found = np.full(len(batch.token_ids), np.nan, dtype=np.float32)
    for micro, logprobs in scores:
        if not micro.padding:
            found[micro.flat] = logprobs.float().cpu().numpy()
    for update in updates[1:]:
        if update.proximal_logprobs is not None:
            for micro in update.micro_batches:
                if not micro.padding:
                    found[micro.flat] = update.proximal_logprobs[torch.from_numpy(micro.flat)].numpy()
    return found


def _gaps(
    batch: TrainingBatch, owner: np.ndarray, scored: np.ndarray, logprobs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """[S] mean and largest |engine - learner| of the tokens ``scored``, ascending; NaN for a sample without
    any."""
    mean, largest = (np.full(len(batch.rewards), np.nan) for _ in range(2))
    if len(scored):
        gaps = np.abs(batch.behavior_logprobs[scored].astype(np.float64) - logprobs[scored])
        samples, first = np.unique(owner[scored], return_index=True)
        counts = np.diff([*first, len(scored)])
        mean[samples] = np.add.reduceat(gaps, first) / counts
        largest[samples] = np.maximum.reduceat(gaps, first)
    return mean, largest


def _means(values: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """[count] mean of each owner's values that are numbers; NaN without any."""
    known = np.flatnonzero(~np.isnan(values))
    sums = np.bincount(owner[known], weights=values[known], minlength=count)
    numbers = np.bincount(owner[known], minlength=count)
    return np.where(numbers > 0, sums / np.maximum(numbers, 1), np.nan)
