"""From a share of the batch to one update: advantages, weights, value targets, and the micro-batches of every
rank."""

from dataclasses import dataclass

import numpy as np
import torch

from rl.batch.types import TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig
from rl.learner.batching import MicroBatchPlan, plan_micro_batches
from rl.learner.micro_batch import MicroBatch, build_micro_batch
from rl.learner.terms import UpdateTerms
from rl.objective.kl import KL_ESTIMATORS
from rl.objective.likelihood import resolve_likelihood
from rl.objective.samples import Samples, Tokens
from rl.objective.terms import token_terms


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What does not change from batch to batch."""

    config: LearnerConfig
    algorithm: AlgorithmConfig
    rank: int
    """Which part of every batch this rank gets."""
    world_size: int
    """How many parts there are."""
    max_tokens: int
    copies: int = 1
    """Ranks with the same part, which share its sequences."""
    counted: bool = True
    """Of those, one counts."""

    @property
    def shared_critic(self) -> bool:
        """The policy's trunk carries a value head."""
        return self.algorithm.critic is not None and self.algorithm.critic.kind == "shared"

    @property
    def gradient_scale(self) -> float:
        """Makes DeepSpeed's average over the parts a sum; each copy contributes the whole loss, and DeepSpeed
        adds them up."""
        return self.world_size / self.copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What was measured with the weights at the start of the batch; [N] float32 each, the same on every
    rank."""

    reference_logprobs: np.ndarray | None
    """Under the reference policy; None without one."""
    values: np.ndarray | None
    """The critic's; None without one."""
    kl_coefficient: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedUpdate:
    """One update, ready to run."""

    terms: UpdateTerms
    micro_batches: list[tuple[MicroBatch, bool]]
    """This rank's, of the samples that have a gradient; each with whether it is padding."""
    critic_micro_batches: list[tuple[MicroBatch, bool]]
    """The same of all samples; empty without a critic of its own."""
    with_advantage: np.ndarray
    """[S] bool, True where the sample is in this update and some token has an advantage."""


def plan_update(
    batch: TrainingBatch, share: np.ndarray, signals: Signals, context: StepContext
) -> PlannedUpdate:
    """Estimate and weigh over the share's samples ``share`` [n] (ascending), on every rank alike."""
    algorithm = context.algorithm
    # Whole steps have tens of millions of tokens and thousands of samples: what is known per sample is looked
    # up there and spread.
    lengths, starts = np.diff(batch.offsets), batch.offsets[:-1]
    chosen = np.zeros(len(lengths), dtype=bool)
    chosen[share] = True
    flat = np.flatnonzero(batch.loss_mask & np.repeat(chosen, lengths))
    valid = np.add.reduceat(batch.loss_mask, starts, dtype=np.int64)
    counts = valid[share]
    shown = np.repeat(batch.demonstration[share], counts)
    tokens = Tokens(
        sample=torch.from_numpy(np.repeat(np.arange(len(share)), counts)),
        kl=_penalty(batch, flat, shown, signals, algorithm),
        values=None if signals.values is None else torch.from_numpy(signals.values[flat]),
    )
    estimated = token_terms(_samples(batch, share, valid, context), tokens, algorithm)

    def spread(values: torch.Tensor | None) -> np.ndarray | None:
        """[n tokens] to [N], 0 elsewhere."""
        if values is None:
            return None
        out = np.zeros(len(batch.token_ids), dtype=np.float32)
        out[flat] = values.numpy()
        return out

    sampled = torch.from_numpy(~shown).float()
    advantages, weights = spread(estimated.advantages), spread(estimated.weights)
    value_weights = spread(sampled / sampled.sum().clamp(min=1))
    assert advantages is not None and weights is not None and value_weights is not None
    in_loss = algorithm.kl.place == "loss"
    terms = UpdateTerms(
        advantages=advantages,
        weights=weights,
        value_weights=value_weights,
        reference_logprobs=signals.reference_logprobs if in_loss else None,
        values=signals.values,
        returns=spread(estimated.returns),
        kl_coefficient=signals.kl_coefficient if in_loss else 0.0,
    )
    with_advantage = np.logical_or.reduceat(advantages != 0, starts)
    inside = chosen & (valid > 0)
    own_critic = algorithm.critic is not None and not context.shared_critic
    return PlannedUpdate(
        terms=terms,
        micro_batches=own_micro_batches(
            batch, inside & (with_advantage | batch.demonstration | _all_matter(context)), context
        ),
        critic_micro_batches=own_micro_batches(batch, inside, context) if own_critic else [],
        with_advantage=with_advantage,
    )


def micro_batch_plans(
    batch: TrainingBatch, wanted: np.ndarray, context: StepContext
) -> list[list[MicroBatchPlan]]:
    """[world_size][M] of the samples where ``wanted`` [S]."""
    return plan_micro_batches(
        np.diff(batch.offsets),
        np.flatnonzero(wanted),
        world_size=context.world_size,
        token_budget=context.config.micro_batch_tokens,
        loss_tokens=np.add.reduceat(batch.loss_mask.astype(np.int64), batch.offsets[:-1]),
    )


def own_micro_batches(
    batch: TrainingBatch, wanted: np.ndarray, context: StepContext
) -> list[tuple[MicroBatch, bool]]:
    """This rank's (micro-batch, is padding)."""
    packed = context.config.packing == "varlen"
    plans = micro_batch_plans(batch, wanted, context)[context.rank]
    return [(build_micro_batch(batch, plan, packed=packed), plan.padding) for plan in plans]


def token_kl(
    batch: TrainingBatch, flat: np.ndarray, signals: Signals, algorithm: AlgorithmConfig
) -> torch.Tensor:
    """[len(flat)] nats, sampler against reference, at those loss tokens."""
    assert signals.reference_logprobs is not None
    behavior, reference = (
        torch.from_numpy(a[flat]) for a in (batch.behavior_logprobs, signals.reference_logprobs)
    )
    return KL_ESTIMATORS[algorithm.kl.estimator](behavior, reference, algorithm.max_log_ratio)


def _all_matter(context: StepContext) -> bool:
    """True if a sample without advantage still has a gradient."""
    algorithm = context.algorithm
    kl_in_loss = algorithm.kl.coefficient > 0 and algorithm.kl.place == "loss"
    return resolve_likelihood(algorithm.likelihood).without_advantage or kl_in_loss or context.shared_critic


def _penalty(
    batch: TrainingBatch, flat: np.ndarray, shown: np.ndarray, signals: Signals, algorithm: AlgorithmConfig
) -> torch.Tensor | None:
    if signals.reference_logprobs is None or algorithm.kl.place != "reward":
        return None
    return torch.where(
        torch.from_numpy(shown), 0.0, signals.kl_coefficient * token_kl(batch, flat, signals, algorithm)
    )


def _samples(batch: TrainingBatch, share: np.ndarray, valid: np.ndarray, context: StepContext) -> Samples:
    return Samples(
        rewards=torch.from_numpy(batch.rewards[share]),
        correct=torch.from_numpy(batch.correct[share]),
        segment_ids=torch.from_numpy(np.unique(batch.segment_ids[share], return_inverse=True)[1]),
        lengths=torch.from_numpy(valid[share]),
        truncated=torch.from_numpy(batch.truncated[share]),
        demonstration=torch.from_numpy(batch.demonstration[share]),
        components={name: torch.from_numpy(rows[share]) for name, rows in batch.components.items()},
        aux=batch.aux.map(lambda rows: torch.from_numpy(rows[share])),
        progress=batch.progress,
        max_tokens=context.max_tokens,
    )
