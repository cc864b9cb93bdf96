"""One optimizer step: forward and backward over this rank's micro-batches, the finite check, the step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from rl.config.algorithm import AlgorithmConfig
from rl.learner.gradients import accumulated_gradients, discard_gradients, reduce_unmanaged, sum_of_squares
from rl.learner.metrics import SIZE
from rl.learner.micro_batch import MicroBatch
from rl.objective.estimator import SUMS, TokenInputs, policy_gradient_loss
from rl.types import TrainingBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTerms:
    """The update's constants on the host, float32; each loss token looks its own up."""

    advantages: np.ndarray
    """[S] of each sample."""
    weights: np.ndarray
    """[S] weight of one token of the sample."""
    proximal_logprobs: np.ndarray | None
    """[N], or None on the first update of a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """What one optimizer step did, identical on every rank."""

    applied: bool
    totals: torch.Tensor
    """[SIZE] float64, summed over ranks (see ``rl.learner.metrics``)."""
    grad_norm: float
    """Before clipping; NaN or infinite where the step was refused."""


def run_update(
    engine: Any,
    micro_batches: Sequence[tuple[MicroBatch, bool]],
    *,
    batch: TrainingBatch,
    terms: UpdateTerms,
    algorithm: AlgorithmConfig,
    world_size: int,
) -> UpdateResult:
    """Accumulate gradients over (micro-batch, is padding) pairs and step, unless the gradient is not finite.

    The loss already has its global denominator, so the ranks' gradients must be added; DeepSpeed averages them, hence the factor
    ``world_size``. Nothing here waits for the device until the one reduction at the end.
    """
    device = engine.device
    totals = torch.zeros(SIZE, dtype=torch.float64, device=device)
    for micro_batch, padding in micro_batches:
        micro = micro_batch.to(device)
        policy = engine(micro.input_ids, micro.position_ids, micro.select, micro.targets, batch.temperature)
        output = policy_gradient_loss(_token_inputs(policy, micro, batch, terms, padding=padding), algorithm)
        engine.backward(output.loss * world_size, scale_wrt_gas=False)
        if not padding:
            totals[: len(SUMS)] += output.sums
            totals[len(SUMS)] += output.loss.detach()
    return _step(engine, totals)


def _token_inputs(
    policy: torch.Tensor, micro: MicroBatch, batch: TrainingBatch, terms: UpdateTerms, *, padding: bool
) -> TokenInputs:
    """Look up each loss token's constants; a padding micro-batch weighs nothing."""

    def put(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).to(policy.device, non_blocking=True)

    proximal = terms.proximal_logprobs
    weights = np.zeros(len(micro.sample), dtype=np.float32) if padding else terms.weights[micro.sample]
    return TokenInputs(
        policy_logprobs=policy,
        behavior_logprobs=put(batch.behavior_logprobs[micro.flat]),
        proximal_logprobs=None if proximal is None else put(proximal[micro.flat]),
        advantages=put(terms.advantages[micro.sample]),
        weights=put(weights),
    )


def _step(engine: Any, totals: torch.Tensor) -> UpdateResult:
    """Check all ranks' gradients with one reduction, then step or discard on all of them."""
    reduce_unmanaged(engine)
    squared = sum_of_squares(accumulated_gradients(engine), totals.device)
    if engine.zero_optimization_stage() == 0:
        squared = squared / dist.get_world_size()  # every rank holds the same reduced gradients
    totals[-1] = squared
    dist.all_reduce(totals)
    norm = float(totals[-1].sqrt())
    if not np.isfinite(norm):
        discard_gradients(engine)
        return UpdateResult(applied=False, totals=totals, grad_norm=norm)
    engine.step()
    reported = engine.get_global_grad_norm()
    return UpdateResult(applied=True, totals=totals, grad_norm=norm if reported is None else float(reported))
