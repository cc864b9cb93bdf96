"""One training batch on one rank: its updates, each planned, run and added up."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from rl.batch.types import StepResult, TrainingBatch
from rl.learner.batching import shares_of_groups
from rl.learner.critic import SeparateCritic, critic_loss
from rl.learner.metrics import SIZE, critic_metrics, loss_metrics
from rl.learner.micro_batch import MicroBatch
from rl.learner.reference import ReferencePolicy
from rl.learner.scoring import all_ranks, batch_logprobs
from rl.learner.terms import UpdateTerms, token_inputs
from rl.learner.update import UpdateResult, run_update
from rl.learner.update_plan import (
    PlannedUpdate,
    Signals,
    StepContext,
    micro_batch_plans,
    plan_update,
    token_kl,
)
from rl.objective.estimator import policy_gradient_loss
from rl.objective.kl import adapted

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Progress:
    """What a rank carries from batch to batch beside its engines; the same on every rank, and part of a
    checkpoint."""

    kl_coefficient: float
    batches: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """What a rank trains and asks."""

    engine: Any
    critic: SeparateCritic | None
    reference: ReferencePolicy | None


def train_on_batch(
    models: Models, batch: TrainingBatch, context: StepContext, progress: Progress
) -> StepResult:
    """Run the batch's updates in order; a non-finite gradient ends it there, with that update's weights
    untouched.

    Loss tokens whose behaviour log-prob is not a number leave the batch first: they can be neither trained on
    nor counted.
    """
    usable = batch.loss_mask & np.isfinite(batch.behavior_logprobs)
    dropped = int(batch.loss_mask.sum() - usable.sum())
    batch = replace(batch, loss_mask=usable)
    signals = _signals(models, batch, context, progress)
    shares = shares_of_groups(batch.segment_ids, num_shares=context.config.updates_per_batch)
    updates = [plan_update(batch, share, signals, context) for share in shares]
    proximal = _proximal_logprobs(models.engine, batch, updates, context)
    lr = models.engine.get_lr()[0]
    results, critic_results = _run(
        models, batch, updates, proximal, context, warming=_warming(context, progress)
    )
    metrics = _metrics(results, dropped) | {
        "learner/lr": lr,
        "learner/tokens": float(len(batch.token_ids)),
        "learner/zero_advantage_frac": float(np.mean(~np.any([u.with_advantage for u in updates], axis=0))),
    }
    if signals.values is not None:
        value_losses = critic_results or [replace(r, totals=r.totals[-1:]) for r in results]
        metrics |= critic_metrics(updates, signals.values, value_losses)
    if signals.reference_logprobs is not None:
        metrics |= _watch_kl(batch, signals, context, progress)
    progress.batches += 1
    detail = {
        "updates": len(results),
        "micro_batches": sum(len(u.micro_batches) for u in updates[: len(results)]),
    }
    return StepResult(applied=all(r.applied for r in results), metrics=metrics, detail=detail)


def _run(
    models: Models,
    batch: TrainingBatch,
    updates: list[PlannedUpdate],
    proximal: np.ndarray | None,
    context: StepContext,
    *,
    warming: bool,
) -> tuple[list[UpdateResult], list[UpdateResult]]:
    """(policy's results, separate critic's results); the critic learns first, from the same targets."""
    results: list[UpdateResult] = []
    critic_results: list[UpdateResult] = []
    models.engine.train()
    for index, update in enumerate(updates):
        if models.critic is not None:
            done = models.critic.update(
                update.critic_micro_batches,
                update.terms,
                gradient_scale=context.gradient_scale,
                counted=context.counted,
            )
            critic_results.append(done)
            if not done.applied:
                logger.warning(
                    "step %d: non-finite gradient of the critic, update %d refused", batch.step, index + 1
                )
        if warming and not context.shared_critic:
            continue
        terms = replace(update.terms, proximal_logprobs=proximal if index > 0 else None)
        if warming:
            terms = replace(terms, weights=np.zeros_like(terms.weights))
        results.append(
            run_update(
                models.engine,
                update.micro_batches,
                loss=_policy_loss(models.engine, batch, terms, context),
                size=SIZE,
                gradient_scale=context.gradient_scale,
                counted=context.counted,
            )
        )
        if not results[-1].applied:
            logger.warning(
                "step %d: non-finite gradient, update %d of %d refused", batch.step, index + 1, len(updates)
            )
            break
    return results, critic_results


def _policy_loss(
    engine: Any, batch: TrainingBatch, terms: UpdateTerms, context: StepContext
) -> Callable[[MicroBatch, bool], tuple[torch.Tensor, torch.Tensor]]:
    """The estimator's loss, with the value loss where the critic shares the trunk; sums are the estimator's
    and the two losses."""
    critic = context.algorithm.critic if context.shared_critic else None

    def loss(micro: MicroBatch, padding: bool) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = micro.for_logprobs(batch.temperature)
        if critic is not None:
            policy, values = engine(*inputs, True)
        else:
            policy, values = engine(*inputs), None
        output = policy_gradient_loss(
            token_inputs(policy, micro, batch, terms, padding=padding), context.algorithm
        )
        total, value = output.loss, output.loss.new_zeros(())
        if critic is not None:
            value = critic_loss(values, micro, terms, critic, padding=padding)
            total = total + critic.coefficient * value
        return total, torch.cat([output.sums, torch.stack([output.loss, value]).detach().double()])

    return loss


def _warming(context: StepContext, progress: Progress) -> bool:
    critic = context.algorithm.critic
    return critic is not None and progress.batches < critic.warmup_steps


# -- what is measured before ---------------------------------------------------------------------------------


def _signals(models: Models, batch: TrainingBatch, context: StepContext, progress: Progress) -> Signals:
    """Score the whole batch under the reference policy and the critic, where there are any."""
    engine, reference, critic = models.engine, models.reference, models.critic
    engine.eval()

    def everywhere(score: Callable[[MicroBatch], torch.Tensor]) -> np.ndarray:
        wanted = np.add.reduceat(batch.loss_mask, batch.offsets[:-1]) > 0
        plans = micro_batch_plans(batch, wanted, context)
        packed = context.config.packing == "varlen"
        return all_ranks(
            score,
            batch,
            plans,
            rank=context.rank,
            device=engine.device,
            packed=packed,
            counted=context.counted,
        )

    def shared_values(micro: MicroBatch) -> torch.Tensor:
        return engine.module(*micro.for_logprobs(batch.temperature), True)[1]

    values = None
    if critic is not None:
        values = everywhere(critic.values)
    elif context.shared_critic:
        values = everywhere(shared_values)
    return Signals(
        reference_logprobs=(
            None if reference is None else everywhere(lambda micro: reference(micro, batch.temperature))
        ),
        values=values,
        kl_coefficient=progress.kl_coefficient,
    )


def _proximal_logprobs(
    engine: Any, batch: TrainingBatch, updates: list[PlannedUpdate], context: StepContext
) -> np.ndarray | None:
    """[N] log-probs under the weights at the start of the batch, of this rank's samples in every update but
    the first.

    None where they are not needed: the first update's are the policy's own.
    """
    algorithm = context.algorithm
    corrected = (
        algorithm.importance != "none"
        or algorithm.token_band is not None
        or algorithm.sequence_band is not None
    )
    if len(updates) == 1 or not (algorithm.reference == "proximal" or corrected):
        return None
    out = np.zeros(len(batch.token_ids), dtype=np.float32)
    engine.eval()
    for update in updates[1:]:
        batch_logprobs(engine, [micro for micro, _ in update.micro_batches], batch, out)
    return out


# -- what is reported ----------------------------------------------------------------------------------------


def _metrics(results: list[UpdateResult], dropped: int) -> dict[str, float]:
    """Of the policy's updates; none ran while the critic warms up."""
    if not results:
        return {"loss/dropped_tokens": float(dropped)}
    totals = torch.stack([r.totals for r in results]).cpu()
    return loss_metrics(totals, dropped_before=dropped) | {"learner/grad_norm": results[-1].grad_norm}


def _watch_kl(
    batch: TrainingBatch, signals: Signals, context: StepContext, progress: Progress
) -> dict[str, float]:
    """Mean KL per sampled token, and the coefficient that it leads to."""
    kl = context.algorithm.kl
    owner = np.repeat(np.arange(len(batch.rewards)), np.diff(batch.offsets))
    flat = np.flatnonzero(batch.loss_mask & ~batch.demonstration[owner])
    measured = float(token_kl(batch, flat, signals, context.algorithm).double().mean()) if len(flat) else 0.0
    used = progress.kl_coefficient
    if kl.target is not None:
        progress.kl_coefficient = adapted(used, measured=measured, target=kl.target, horizon=kl.horizon)
    return {"loss/kl_reference": measured, "learner/kl_coefficient": used}
