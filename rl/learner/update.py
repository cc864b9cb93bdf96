"""The optimizer steps of a training batch: forward and backward over this rank's micro-batches, the finite
check, the step."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from rl.batch.types import TrainingBatch
from rl.learner.context import Measured, StepContext
from rl.learner.critic import SeparateCritic
from rl.learner.gradients import (
    accumulated_gradients,
    discard_gradients,
    reduce_unmanaged,
    reported_norm,
    sum_of_squares,
)
from rl.learner.losses import critic_loss, policy_loss
from rl.learner.micro_batch import MicroBatch
from rl.learner.models import Models
from rl.learner.update_plan import PlannedUpdate
from rl.objective.estimator import SUMS

logger = logging.getLogger(__name__)

EXTRA = ("loss", "value_loss")
"""Names of the totals behind the estimator's sums."""
SIZE = len(SUMS) + len(EXTRA)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """The outcome of one optimizer step, identical on every rank."""

    applied: bool
    totals: torch.Tensor
    """[size] float64 sums of what the losses reported, over micro-batches and ranks."""
    grad_norm: float
    """Before clipping; a step is refused where this or one of the totals is not finite."""


MicroBatchLoss = Callable[[MicroBatch], tuple[torch.Tensor, torch.Tensor]]
"""``micro-batch on the host -> (loss, sums [size] float64)``; runs the engine's forward pass."""


def run_updates(
    models: Models,
    batch: TrainingBatch,
    updates: Sequence[PlannedUpdate],
    measured: Measured,
    context: StepContext,
    *,
    warming: bool,
    scores: list[tuple[MicroBatch, torch.Tensor]] | None = None,
) -> tuple[list[UpdateResult], list[UpdateResult]]:
    """Run the updates in order: (results of the policy, results of a critic of its own). A non-finite
    gradient of the policy ends it there.

    The critic learns first, from the same terms. While it is ``warming`` up the policy learns nothing. The
    log-probs of the first update, before which nothing moved, are put into ``scores``.
    """
    results: list[UpdateResult] = []
    critic_results: list[UpdateResult] = []
    models.engine.train()
    for index, update in enumerate(updates):
        if models.critic is not None:
            critic_results.append(_update_critic(models.critic, update, measured, context))
            if not critic_results[-1].applied:
                logger.warning(
                    "step %d: non-finite gradient of the critic, update %d refused", batch.step, index + 1
                )
        if warming and not context.shared_critic:
            continue
        if warming:
            silent = replace(update.terms, weights=torch.zeros_like(update.terms.weights))
            update = replace(update, terms=silent)
        loss = partial(
            policy_loss,
            engine=models.engine,
            batch=batch,
            update=update,
            measured=measured,
            context=context,
            scores=scores if index == 0 else None,
        )
        results.append(run_update(models.engine, update.micro_batches, context, loss=loss, size=SIZE))
        if not results[-1].applied:
            logger.warning(
                "step %d: non-finite gradient, update %d of %d refused", batch.step, index + 1, len(updates)
            )
            break
    return results, critic_results


def _update_critic(
    critic: SeparateCritic, update: PlannedUpdate, measured: Measured, context: StepContext
) -> UpdateResult:
    """One step of a separate critic towards ``update.terms.returns``; totals are [1], the loss."""

    def loss(host: MicroBatch) -> tuple[torch.Tensor, torch.Tensor]:
        micro = host.to(critic.engine.device)
        values = critic.engine(*micro.for_states)
        value = critic_loss(values, micro, update, measured, critic.config)
        return value, value.detach().double()[None]

    critic.engine.train()
    return run_update(critic.engine, update.critic_micro_batches, context, loss=loss, size=1)


def run_update(
    engine: Any,
    micro_batches: Sequence[MicroBatch],
    context: StepContext,
    *,
    loss: MicroBatchLoss,
    size: int,
) -> UpdateResult:
    """Accumulate gradients over the micro-batches and step, unless the gradient is not finite.

    The loss already has its global denominator, so the ranks' gradients must be added; DeepSpeed averages
    them, hence the factor ``gradient_scale``. Sums of a rank that is not ``counted`` are another rank's too.
    Nothing here waits for the device until the one reduction at the end.
    """
    totals = accumulate(engine, micro_batches, context, loss=loss, size=size)
    return check_and_step(engine, totals)


def accumulate(
    engine: Any,
    micro_batches: Sequence[MicroBatch],
    context: StepContext,
    *,
    loss: MicroBatchLoss,
    size: int,
    scale: float = 1.0,
) -> torch.Tensor:
    """Add the gradients of the micro-batches, times ``scale``, to those that the engine holds; returns this
    rank's sums [size] float64, without it."""
    totals = torch.zeros(size, dtype=torch.float64, device=engine.device)
    for micro_batch in micro_batches:
        value, sums = loss(micro_batch)
        engine.backward(value * (context.gradient_scale * scale), scale_wrt_gas=False)
        if context.counted and not micro_batch.padding:
            totals += sums
    return totals


def check_and_step(engine: Any, sums: torch.Tensor, *, scale: float | None = None) -> UpdateResult:
    """Check all ranks' gradients and ``sums`` [size] with one reduction, then step or discard on all of them.

    A loss may be broken where its gradient is not: a clipped token has none, whatever its reward. With
    ``scale`` the gradients are multiplied by it first.
    """
    totals = torch.cat([sums, sums.new_zeros(1)])  # the last entry is for the norm
    reduce_unmanaged(engine)
    gradients = accumulated_gradients(engine)
    if scale is not None:
        torch._foreach_mul_(gradients, scale)
    squared = sum_of_squares(gradients, totals.device)
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
