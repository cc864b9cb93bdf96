"""One optimizer step: forward and backward over this rank's micro-batches, the finite check, the step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from rl.learner.gradients import (
    accumulated_gradients,
    discard_gradients,
    reduce_unmanaged,
    reported_norm,
    sum_of_squares,
)
from rl.learner.micro_batch import MicroBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """What one optimizer step did, identical on every rank."""

    applied: bool
    totals: torch.Tensor
    """[size] float64 sums of what the losses reported, over micro-batches and ranks."""
    grad_norm: float
    """Before clipping; a step is refused where this or one of the totals is not finite."""


MicroBatchLoss = Callable[[MicroBatch, bool], tuple[torch.Tensor, torch.Tensor]]
"""``(micro-batch on the device, is padding) -> (loss, sums [size] float64)``; runs the engine's forward
pass."""


def run_update(
    engine: Any,
    micro_batches: Sequence[tuple[MicroBatch, bool]],
    *,
    loss: MicroBatchLoss,
    size: int,
    gradient_scale: float,
    counted: bool,
) -> UpdateResult:
    """Accumulate gradients over (micro-batch, is padding) pairs and step, unless the gradient is not finite.

    The loss already has its global denominator, so the ranks' gradients must be added; DeepSpeed averages
    them, hence the factor ``gradient_scale``. Sums of a rank that is not ``counted`` are another rank's too.
    Nothing here waits for the device until the one reduction at the end.
    """
    totals = torch.zeros(size + 1, dtype=torch.float64, device=engine.device)
    for micro_batch, padding in micro_batches:
        value, sums = loss(micro_batch.to(engine.device), padding)
        engine.backward(value * gradient_scale, scale_wrt_gas=False)
        if counted and not padding:
            totals[:size] += sums
    return _step(engine, totals)


def _step(engine: Any, totals: torch.Tensor) -> UpdateResult:
    """Check all ranks' gradients and sums with one reduction, then step or discard on all of them. The last
    entry is for the norm.

    A loss may be broken where its gradient is not: a clipped token has none, whatever its reward.
    """
    reduce_unmanaged(engine)
    squared = sum_of_squares(accumulated_gradients(engine), totals.device)
    if engine.zero_optimization_stage() == 0:
        squared = squared / dist.get_world_size()  # every rank holds the same reduced gradients
    totals[-1] = squared
    dist.all_reduce(totals)
    norm = float(totals[-1].sqrt())
    if not (np.isfinite(norm) and bool(totals.isfinite().all())):
        discard_gradients(engine)
        return UpdateResult(applied=False, totals=totals[:-1], grad_norm=norm)
    engine.step()
    return UpdateResult(applied=True, totals=totals[:-1], grad_norm=reported_norm(engine, norm))
