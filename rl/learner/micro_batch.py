"""The tensors of one forward-backward, cut out of the columnar batch.

B = rows, L = the longest row less one (the last token is never an input), T = loss tokens of all rows.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from rl.batch.types import TrainingBatch
from rl.learner.batching import MicroBatchPlan


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
    host."""
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
    most: int
    """The largest T of the micro-batches that the ranks run at the same time."""

    @property
    def for_states(self) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None, torch.Tensor]:
        """Arguments of a trunk: rows, positions, boundaries, and what to keep of the states."""
        return self.input_ids, self.position_ids, self.boundaries, self.select

    def for_logprobs(self, temperature: float) -> tuple[Any, ...]:
        """Arguments of ``LogprobModel``."""
        return *self.for_states, self.targets, temperature, self.most

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
        most=max(plan.most, len(flat)),
    )
