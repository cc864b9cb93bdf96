"""One training batch on one rank: measured, planned, run, reported."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from rl.batch.types import StepResult, TrainingBatch
from rl.learner.context import Measured, Progress, StepContext
from rl.learner.metrics import step_metrics, watched_kl
from rl.learner.micro_batch import MicroBatch
from rl.learner.models import Models
from rl.learner.sample_figures import Scores, sample_figures
from rl.learner.scoring import batch_logprobs, scores_on_every_rank
from rl.learner.update import UpdateResult, run_updates
from rl.learner.update_plan import PlannedUpdate, plan_updates
from rl.learner.work import passes_of, scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The updates of a batch that ran, and what was measured on the way."""

    updates: Sequence[PlannedUpdate]
    """All that were planned."""
    measured: Measured
    results: Sequence[UpdateResult]
    """The policy's, update by update."""
    critic_results: Sequence[UpdateResult] = ()
    """Those of a critic of its own; none without one."""
    scores: Scores | None = None
    """Log-probs of the first update; None unless they are recorded."""
    lr: float
    """The first update's."""
    dropped: int
    """Loss tokens whose behaviour log-prob is not a number."""
    warming: bool = False
    """Only the critic learnt."""
    scored_again: bool = False
    """Later updates were scored with the weights at the start."""


def train_on_batch(
    models: Models, batch: TrainingBatch, context: StepContext, progress: Progress
) -> StepResult:
    """Run the batch's updates in order; a non-finite gradient ends it there, with that update's weights
    untouched."""
    batch, dropped = usable(batch)
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
    ran = Ran(
        updates=updates,
        measured=measured,
        results=results,
        critic_results=critic_results,
        scores=scores,
        lr=lr,
        dropped=dropped,
        warming=warming,
        scored_again=scored_again,
    )
    return report(models, batch, context, progress, ran)


def usable(batch: TrainingBatch) -> tuple[TrainingBatch, int]:
    """The batch without its loss tokens whose behaviour log-prob is not a number, which can be neither
    trained on nor counted; and how many those are."""
    mask = batch.loss_mask & np.isfinite(batch.behavior_logprobs)
    return replace(batch, loss_mask=mask), int(batch.loss_mask.sum() - mask.sum())


def report(
    models: Models, batch: TrainingBatch, context: StepContext, progress: Progress, ran: Ran
) -> StepResult:
    """The result of a batch whose updates are over; ``progress`` takes it in."""
    updates, results, critic_results = ran.updates, ran.results, ran.critic_results
    metrics = step_metrics(
        batch, updates, ran.measured, results, critic_results, dropped=ran.dropped, lr=ran.lr
    )
    if ran.measured.reference_logprobs is not None:
        metrics |= watched_kl(batch, ran.measured.reference_logprobs, progress, context.algorithm)
    progress.batches += 1
    detail = {
        "updates": len(results),
        "micro_batches": sum(len(u.micro_batches) for u in updates[: len(results)]),
    }
    passes = passes_of(batch, updates[: len(results)], updates[: len(critic_results)], models, context)
    if ran.scored_again:
        passes += scored(batch, updates[1:])
    samples = None
    if ran.scores is not None:
        moved = 0 if ran.warming else sum(r.applied for r in results)
        tokens = context.records == "tokens"
        samples = sample_figures(batch, updates, ran.scores, applied=moved, tokens=tokens)
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
