"""One training batch that comes in parts, while the rest of it is still being sampled.

::

    add(part) ──► forward, backward: D(part) * gradient of the part's own loss ──► added up
    add(part) ──►   ...
    complete(batch) ──► are the parts the batch? ──► gradients / D(batch) ──► finite check, clip, step

D is the loss's common denominator (``rl.objective.aggregation.denominator``). The step equals the one over
the whole batch but for the order in which floating-point numbers are added:
docs/decisions/0009-inside-a-batch.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from rl.batch.types import StepResult, TrainingBatch
from rl.learner.context import Measured, Progress, StepContext
from rl.learner.gradients import discard_gradients
from rl.learner.losses import policy_loss
from rl.learner.models import Models
from rl.learner.sample_figures import Scores
from rl.learner.step import Ran, measure, report, usable
from rl.learner.update import EXTRA, SIZE, accumulate, check_and_step
from rl.learner.update_plan import PlannedUpdate, plan_updates
from rl.objective.aggregation import denominator
from rl.objective.terms import UpdateTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a batch, after its backward passes."""

    batch: TrainingBatch
    update: PlannedUpdate
    measured: Measured
    scores: Scores
    """Filled by the forward passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a part's samples and tokens are in the whole batch."""

    samples: np.ndarray
    """[samples of the part] int64."""
    tokens: np.ndarray
    """[tokens of the part] int64."""


class StreamedStep:
    """The sums of one optimizer step in progress. Every method is collective, with the same arguments."""

    def __init__(self, models: Models, context: StepContext, progress: Progress) -> None:
        self._models = models
        self._context = context
        self._progress = progress
        self._parts: list[Part] = []
        self._sums = torch.zeros(SIZE, dtype=torch.float64, device=models.engine.device)

    def add(self, batch: TrainingBatch) -> None:
        """Forward and backward over whole groups of the batch; no pass where none of them has a gradient."""
        batch, _ = usable(batch)
        measured = measure(self._models, batch, self._context, self._progress)
        (update,) = plan_updates(batch, measured, self._context)
        self._parts.append(Part(batch=batch, update=update, measured=measured, scores=[]))
        if update.trained.any():
            self._run(self._parts[-1])

    def complete(self, batch: TrainingBatch) -> StepResult:
        """Step on the parts, which are ``batch`` in any order; a non-finite gradient leaves the weights
        untouched.

        Raises:
            RuntimeError: the parts are not the batch.
        """
        batch, dropped = usable(batch)
        places = places_of(batch, [part.batch for part in self._parts])
        if not any(part.update.trained.any() for part in self._parts):
            self._run(self._parts[-1])  # a micro-batch of weight 0, so that there is a gradient to step on
        engine, scale = self._models.engine, 1 / self._denominator(batch)
        lr = engine.get_lr()[0]
        self._sums[-len(EXTRA) :] *= scale
        result = check_and_step(engine, self._sums, scale=scale)
        ran = Ran(
            updates=[joined_update(batch, self._parts, places)],
            measured=joined_measures(batch, self._parts, places),
            results=[result],
            scores=self._joined_scores(places) if self._context.records != "none" else None,
            lr=lr,
            dropped=dropped,
        )
        return report(self._models, batch, self._context, self._progress, ran)

    def abandon(self) -> None:
        """Forget the parts and their gradients."""
        if any(part.update.trained.any() for part in self._parts):
            discard_gradients(self._models.engine)
        self._parts.clear()

    def _run(self, part: Part) -> None:
        own = self._denominator(part.batch)
        loss = partial(
            policy_loss,
            engine=self._models.engine,
            batch=part.batch,
            update=part.update,
            measured=part.measured,
            context=self._context,
            scores=part.scores if self._context.records != "none" else None,
        )
        self._models.engine.train()
        micro_batches = part.update.micro_batches
        sums = accumulate(self._models.engine, micro_batches, self._context, loss=loss, size=SIZE, scale=own)
        sums[-len(EXTRA) :] *= own
        self._sums += sums

    def _denominator(self, batch: TrainingBatch) -> float:
        return denominator(
            self._context.algorithm,
            tokens=batch.num_valid_tokens,
            samples=len(batch.rewards),
            groups=len(batch.group_ids),
        )

    def _joined_scores(self, places: Sequence[Places]) -> Scores:
        """The log-probs of all parts; micro-batches with their places in the whole batch."""
        return [
            (replace(micro, flat=place.tokens[micro.flat]), logprobs)
            for part, place in zip(self._parts, places, strict=True)
            for micro, logprobs in part.scores
        ]


def places_of(batch: TrainingBatch, parts: Sequence[TrainingBatch]) -> list[Places]:
    """The places of the parts in ``batch``, by the groups' ids.

    Raises:
        RuntimeError: a group is missing, there twice, or another than in the batch.
    """
    ids = np.concatenate([part.group_ids for part in parts])
    if not np.array_equal(np.sort(ids), np.sort(batch.group_ids)):
        raise RuntimeError(
            f"step {batch.step}: groups {sorted(ids.tolist())} came in parts, the batch has"
            f" {sorted(batch.group_ids.tolist())}"
        )
    found = [_places(batch, part) for part in parts]
    for part, place in zip(parts, found, strict=True):
        if not np.array_equal(part.token_ids, batch.token_ids[place.tokens]):
            raise RuntimeError(f"step {batch.step}: a group came in a part with other tokens")
    return found


def _places(batch: TrainingBatch, part: TrainingBatch) -> Places:
    """By the first sample of every group, here and there."""
    order = np.argsort(batch.group_ids)
    there = order[np.searchsorted(batch.group_ids, part.group_ids, sorter=order)]
    segments = np.arange(len(part.group_ids))
    first_here = np.searchsorted(part.segment_ids, segments)
    first_there = np.searchsorted(batch.segment_ids, there)
    samples = (first_there - first_here)[part.segment_ids] + np.arange(len(part.rewards))
    lengths = np.diff(part.offsets)
    if not np.array_equal(lengths, np.diff(batch.offsets)[samples]):
        raise RuntimeError(f"step {batch.step}: a group came in a part with other lengths")
    tokens = np.repeat(batch.offsets[samples] - part.offsets[:-1], lengths) + np.arange(len(part.token_ids))
    return Places(samples=samples, tokens=tokens)


def joined_update(batch: TrainingBatch, parts: Sequence[Part], places: Sequence[Places]) -> PlannedUpdate:
    """The parts' updates as one of the whole batch, for what is reported of it: the terms' weights are left
    at 0."""
    advantages = torch.zeros(len(batch.token_ids))
    with_advantage, trained, with_tokens = (np.zeros(len(batch.rewards), dtype=bool) for _ in range(3))
    for part, place in zip(parts, places, strict=True):
        update = part.update
        advantages[torch.from_numpy(place.tokens[update.flat])] = update.terms.advantages
        with_advantage[place.samples] = update.with_advantage
        trained[place.samples] = update.trained
        with_tokens[place.samples] = update.with_tokens
    flat = np.flatnonzero(batch.loss_mask)
    nothing = torch.zeros(len(flat))
    return PlannedUpdate(
        terms=UpdateTerms(
            advantages=advantages[torch.from_numpy(flat)], weights=nothing, value_weights=nothing
        ),
        flat=flat,
        micro_batches=[micro for p in parts if p.update.trained.any() for micro in p.update.micro_batches],
        critic_micro_batches=(),
        with_advantage=with_advantage,
        trained=trained,
        with_tokens=with_tokens,
    )


def joined_measures(batch: TrainingBatch, parts: Sequence[Part], places: Sequence[Places]) -> Measured:
    """The parts' reference log-probs, as one of the whole batch."""
    first = parts[0].measured
    if first.reference_logprobs is None:
        return first
    reference = torch.zeros(len(batch.token_ids))
    for part, place in zip(parts, places, strict=True):
        assert part.measured.reference_logprobs is not None
        reference[torch.from_numpy(place.tokens)] = part.measured.reference_logprobs
    return replace(first, reference_logprobs=reference)
