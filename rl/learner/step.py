"""One training batch on one rank: its updates, each planned, run and added up."""

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig
from rl.learner.batching import plan_micro_batches, shares_of_groups
from rl.learner.metrics import SIZE, loss_metrics
from rl.learner.micro_batch import MicroBatch, build_micro_batch
from rl.learner.scoring import batch_logprobs
from rl.learner.update import UpdateTerms, run_update
from rl.objective.estimator import SUMS
from rl.objective.samples import sample_terms
from rl.types import StepResult, TrainingBatch

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What does not change from batch to batch."""

    config: LearnerConfig
    algorithm: AlgorithmConfig
    rank: int
    world_size: int
    max_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedUpdate:
    """One update's constants and this rank's micro-batches, each with whether it is padding."""

    advantages: np.ndarray
    """[S] float32, 0 outside the update."""
    weights: np.ndarray
    """[S] float32, 0 outside the update."""
    micro_batches: list[tuple[MicroBatch, bool]]


def train_on_batch(engine: Any, batch: TrainingBatch, context: StepContext) -> StepResult:
    """Run the batch's updates in order; a non-finite gradient ends it there, with that update's weights untouched.

    Loss tokens whose behaviour log-prob is not a number leave the batch first: they can be neither trained on nor counted.
    """
    usable = batch.loss_mask & np.isfinite(batch.behavior_logprobs)
    dropped = int(batch.loss_mask.sum() - usable.sum())
    batch = replace(batch, loss_mask=usable)
    shares = shares_of_groups(batch.segment_ids, num_shares=context.config.updates_per_batch)
    updates = [_prepare(batch, share, context) for share in shares]
    proximal = _proximal_logprobs(engine, batch, updates, context)
    lr = engine.get_lr()[0]
    engine.train()
    results = []
    for index, update in enumerate(updates):
        terms = UpdateTerms(advantages=update.advantages, weights=update.weights, proximal_logprobs=proximal if index > 0 else None)
        results.append(
            run_update(
                engine,
                update.micro_batches,
                batch=batch,
                terms=terms,
                algorithm=context.algorithm,
                world_size=context.world_size,
            )
        )
        if not results[-1].applied:
            logger.warning("step %d: non-finite gradient, update %d of %d refused", batch.step, index + 1, len(updates))
            break
    totals = torch.stack([r.totals for r in results]).cpu()
    metrics = _loss_metrics(totals, dropped_before=dropped) | {
        "learner/grad_norm": results[-1].grad_norm,
        "learner/lr": lr,
        "learner/tokens": float(len(batch.token_ids)),
        "learner/zero_advantage_frac": float(np.mean(sum(u.advantages != 0 for u in updates) == 0)),
    }
    detail = {"updates": len(results), "micro_batches": sum(len(u.micro_batches) for u in updates[: len(results)])}
    return StepResult(applied=results[-1].applied, metrics=metrics, detail=detail)


def _prepare(batch: TrainingBatch, share: np.ndarray, context: StepContext) -> PreparedUpdate:
    """Advantages and weights over the share's samples, micro-batches over those that have a gradient."""
    valid = np.add.reduceat(batch.loss_mask.astype(np.int64), batch.offsets[:-1])
    terms = sample_terms(
        torch.from_numpy(batch.rewards[share]),
        torch.from_numpy(np.unique(batch.segment_ids[share], return_inverse=True)[1]),
        torch.from_numpy(valid[share]).double(),
        config=context.algorithm,
        max_tokens=context.max_tokens,
    )
    advantages, weights = np.zeros(len(valid), dtype=np.float32), np.zeros(len(valid), dtype=np.float32)
    advantages[share], weights[share] = terms.advantages.numpy(), terms.token_weights.numpy()
    plans = plan_micro_batches(
        np.diff(batch.offsets),
        np.flatnonzero((advantages != 0) & (valid > 0)),
        world_size=context.world_size,
        token_budget=context.config.micro_batch_tokens,
    )[context.rank]
    packed = context.config.packing == "varlen"
    micro_batches = [(build_micro_batch(batch, plan, packed=packed), plan.padding) for plan in plans]
    return PreparedUpdate(advantages=advantages, weights=weights, micro_batches=micro_batches)


def _proximal_logprobs(engine: Any, batch: TrainingBatch, updates: list[PreparedUpdate], context: StepContext) -> np.ndarray | None:
    """[N] log-probs under the weights at the start of the batch, of this rank's samples in every update but the first.

    None where they are not needed: the first update's are the policy's own.
    """
    if context.algorithm.reference != "proximal" or len(updates) == 1:
        return None
    out = np.zeros(len(batch.token_ids), dtype=np.float32)
    engine.eval()
    for update in updates[1:]:
        batch_logprobs(engine, [micro for micro, _ in update.micro_batches], batch, out)
    return out


def _loss_metrics(totals: torch.Tensor, *, dropped_before: int) -> dict[str, float]:
    """From ``totals`` [updates, SIZE]: token sums over all updates, the mean loss, and the log-prob gap of the first update."""
    assert totals.shape[1] == SIZE
    summed = totals.sum(0)
    summed[len(SUMS)] /= len(totals)
    gap = totals[0, [SUMS.index("abs_gap"), SUMS.index("tokens")]]
    return loss_metrics(summed, gap, dropped_before=dropped_before)
