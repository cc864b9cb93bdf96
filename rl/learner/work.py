"""The sequences that each model of a step read, so that its FLOPs can be counted (``rl.records.cost``).

Every rank plans all updates, so these are the sequences of all ranks.
"""

from collections.abc import Sequence

import numpy as np

from rl.batch.types import ModelPass, TrainingBatch
from rl.learner.context import StepContext
from rl.learner.models import Models
from rl.learner.update_plan import PlannedUpdate


def passes_of(
    batch: TrainingBatch,
    trained: Sequence[PlannedUpdate],
    critic_trained: Sequence[PlannedUpdate],
    models: Models,
    context: StepContext,
) -> list[ModelPass]:
    """The passes of the updates that ran, and of what was measured before them.

    Args:
        batch: with the loss mask that was trained on.
        trained: updates of the policy that ran.
        critic_trained: updates of a critic of its own that ran.
        models: those of the step.
        context: says whether the policy carries the value head.
    """
    passes = [one_pass("train", batch, update.trained) for update in trained]
    passes += [one_pass("critic_train", batch, update.with_tokens) for update in critic_trained]
    everything = np.add.reduceat(batch.loss_mask, batch.offsets[:-1]) > 0
    if models.critic is not None:
        passes.append(one_pass("critic_score", batch, everything))
    if context.shared_critic:
        passes.append(one_pass("score", batch, everything))
    if models.reference is not None:
        passes.append(one_pass("reference", batch, everything))
    return [p for p in passes if len(p.inputs)]


def scored(batch: TrainingBatch, updates: Sequence[PlannedUpdate]) -> list[ModelPass]:
    """The passes that scored updates with the weights at the start of the batch."""
    return [one_pass("score", batch, update.trained) for update in updates if update.trained.any()]


def one_pass(kind: str, batch: TrainingBatch, chosen: np.ndarray) -> ModelPass:
    """The samples where ``chosen`` [S]: the last token of each is never an input."""
    lengths = np.diff(batch.offsets)[chosen]
    predicted = np.add.reduceat(batch.loss_mask, batch.offsets[:-1], dtype=np.int64)[chosen]
    return ModelPass(kind=kind, inputs=np.maximum(lengths - 1, 1), predicted=int(predicted.sum()))
