"""One training batch on one rank: measured, planned, run, reported."""

from dataclasses import replace

import numpy as np
import torch

from rl.batch.types import StepResult, TrainingBatch
from rl.learner.context import Measured, Progress, StepContext
from rl.learner.metrics import step_metrics, watched_kl
from rl.learner.micro_batch import MicroBatch
from rl.learner.models import Models
from rl.learner.sample_figures import Scores, sample_figures
from rl.learner.scoring import batch_logprobs, scores_on_every_rank
from rl.learner.update import run_updates
from rl.learner.update_plan import plan_updates
from rl.learner.work import passes_of, scored


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

    measured = measure(models, batch, context, progress)
    updates = plan_updates(batch, measured, context)
    scored_again = context.needs_proximal and len(updates) > 1
    if scored_again:
        later = [micro for update in updates[1:] for micro in update.micro_batches]
        proximal = batch_logprobs(models.engine, batch, later)
        updates[1:] = [replace(update, proximal_logprobs=proximal) for update in updates[1:]]
    lr = models.engine.get_lr()[0]
    critic = context.algorithm.critic
    warming = critic is not None and progress.batches < critic.warmup_steps
    scores: Scores | None = [] if context.records != "none" else None
    results, critic_results = run_updates(
        models, batch, updates, measured, context, warming=warming, scores=scores
    )

    metrics = step_metrics(batch, updates, measured, results, critic_results, dropped=dropped, lr=lr)
    if measured.reference_logprobs is not None:
        metrics |= watched_kl(batch, measured.reference_logprobs, progress, context.algorithm)
    progress.batches += 1
    detail = {
        "updates": len(results),
        "micro_batches": sum(len(u.micro_batches) for u in updates[: len(results)]),
    }
    passes = passes_of(batch, updates[: len(results)], updates[: len(critic_results)], models, context)
    if scored_again:
        passes += scored(batch, updates[1:])
    samples = None
    if scores is not None:
        moved = 0 if warming else sum(r.applied for r in results)
        tokens = context.records == "tokens"
        samples = sample_figures(batch, updates, scores, applied=moved, tokens=tokens)
    return StepResult(
        applied=all(r.applied for r in results),
        metrics=metrics,
        detail=detail,
        passes=tuple(passes),
        samples=samples,
    )


def measure(models: Models, batch: TrainingBatch, context: StepContext, progress: Progress) -> Measured:
    """Score the whole batch under the critic and the reference policy, where there are any. Collective."""
    engine, reference, critic = models.engine, models.reference, models.critic
    engine.eval()
    values = reference_logprobs = None

    def shared_values(micro: MicroBatch) -> torch.Tensor:
        return engine.module(*micro.for_logprobs(batch.temperature), True)[1]

    if critic is not None or context.shared_critic:
        score = shared_values if critic is None else critic.values
        values = scores_on_every_rank(score, batch, context, engine.device)
    if reference is not None:
        ask = reference
        reference_logprobs = scores_on_every_rank(
            lambda micro: ask(micro, batch.temperature), batch, context, engine.device
        )
    return Measured(
        reference_logprobs=reference_logprobs, values=values, kl_coefficient=progress.kl_coefficient
    )
