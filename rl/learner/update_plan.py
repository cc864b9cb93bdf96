"""The updates of a training batch: which samples each one takes, its terms, and this rank's micro-batches of
it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rl.batch.types import TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rl.learner.context import Measured, StepContext
from rl.learner.micro_batch import MicroBatch, own_micro_batches
from rl.objective.kl import KL_ESTIMATORS
from rl.objective.samples import Samples, Tokens
from rl.objective.terms import UpdateTerms, update_terms


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedUpdate:
    """One update, ready to run."""

    terms: UpdateTerms
    """[U] each, U = loss tokens of the update."""
    flat: np.ndarray
    """[U] int64 index of each of them in ``TrainingBatch.token_ids``, ascending."""
    micro_batches: Sequence[MicroBatch]
    """This rank's, of the samples that have a gradient."""
    critic_micro_batches: Sequence[MicroBatch]
    """This rank's, of all samples; empty without a critic of its own."""
    with_advantage: np.ndarray
    """[S] bool, True where the sample is in this update and some token has an advantage."""
    trained: np.ndarray
    """[S] bool, True where the sample is in this update and has a gradient: those of all ranks'
    ``micro_batches``."""
    with_tokens: np.ndarray
    """[S] bool, True where the sample is in this update and has loss tokens."""
    proximal_logprobs: torch.Tensor | None = None
    """[N] log-probs of this rank's loss tokens under the weights at the start of the batch; None on the first
    update, where they are the policy's own, and where nothing reads them."""


def plan_updates(batch: TrainingBatch, measured: Measured, context: StepContext) -> list[PlannedUpdate]:
    """Divide the batch's groups among ``updates_per_batch`` updates and plan each, on every rank alike."""
    shares = shares_of_groups(batch.segment_ids, num_shares=context.config.updates_per_batch)
    return [plan_update(batch, share, measured, context) for share in shares]


def shares_of_groups(segment_ids: np.ndarray, *, num_shares: int) -> list[np.ndarray]:
    """Disjoint sample indices of each update, whole groups dealt round robin; fewer shares than asked if
    groups are fewer.

    ``segment_ids`` [S] int. Round robin, because neighbours in a plan often share a category.
    """
    groups = np.unique(segment_ids)
    num_shares = min(num_shares, len(groups))
    return [np.flatnonzero(np.isin(segment_ids, groups[share::num_shares])) for share in range(num_shares)]


def plan_update(
    batch: TrainingBatch, share: np.ndarray, measured: Measured, context: StepContext
) -> PlannedUpdate:
    """Plan one update over the samples ``share`` [n] (ascending)."""
    # Whole steps have tens of millions of tokens and thousands of samples: what is known per sample is looked
    # up there and spread.
    lengths, starts = np.diff(batch.offsets), batch.offsets[:-1]
    chosen = np.zeros(len(lengths), dtype=bool)
    chosen[share] = True
    flat = np.flatnonzero(batch.loss_mask & np.repeat(chosen, lengths))
    counts = np.add.reduceat(batch.loss_mask, starts, dtype=np.int64)
    with_tokens = chosen & (counts > 0)

    samples = share_samples(batch, share, counts[share], context)
    tokens = share_tokens(batch, flat, samples, measured, context.algorithm)
    terms = update_terms(samples, tokens, context.algorithm)

    with_advantage = np.zeros(len(lengths), dtype=bool)
    with_advantage[share[tokens.sample[terms.advantages != 0].numpy()]] = True
    trained = with_tokens & (with_advantage | batch.demonstration | context.trains_without_advantage)
    separate_critic = context.algorithm.critic is not None and not context.shared_critic
    return PlannedUpdate(
        terms=terms,
        flat=flat,
        micro_batches=own_micro_batches(batch, trained, context),
        critic_micro_batches=own_micro_batches(batch, with_tokens, context) if separate_critic else (),
        with_advantage=with_advantage,
        trained=trained,
        with_tokens=with_tokens,
    )


def share_samples(
    batch: TrainingBatch, share: np.ndarray, counts: np.ndarray, context: StepContext
) -> Samples:
    """The samples ``share`` [n], with ``counts`` [n] loss tokens each, as the objective reads them."""
    return Samples(
        rewards=torch.from_numpy(batch.rewards[share]),
        correct=torch.from_numpy(batch.correct[share]),
        segment_ids=torch.from_numpy(np.unique(batch.segment_ids[share], return_inverse=True)[1]),
        lengths=torch.from_numpy(counts),
        truncated=torch.from_numpy(batch.truncated[share]),
        demonstration=torch.from_numpy(batch.demonstration[share]),
        components={name: torch.from_numpy(rows[share]) for name, rows in batch.components.items()},
        aux=batch.aux.map(lambda rows: torch.from_numpy(rows[share])),
        progress=batch.progress,
        max_tokens=context.max_tokens,
    )


def share_tokens(
    batch: TrainingBatch, flat: np.ndarray, samples: Samples, measured: Measured, algorithm: AlgorithmConfig
) -> Tokens:
    """The loss tokens ``flat`` [U] of those samples, with what the reward loses for KL and the critic's
    values."""
    sample = torch.arange(len(samples.lengths)).repeat_interleave(samples.lengths)
    penalty = None
    paid = algorithm.kl is not None and algorithm.kl.place == "reward"
    if measured.reference_logprobs is not None and paid:
        kl = measured.kl_coefficient * token_kl(batch, flat, measured.reference_logprobs, algorithm)
        penalty = torch.where(samples.demonstration[sample], 0.0, kl)
    return Tokens(
        sample=sample,
        kl=penalty,
        values=None if measured.values is None else measured.values[torch.from_numpy(flat)],
    )


def token_kl(
    batch: TrainingBatch, flat: np.ndarray, reference: torch.Tensor, algorithm: AlgorithmConfig
) -> torch.Tensor:
    """[U] nats, sampler against the ``reference`` policy's log-probs [N], at the loss tokens ``flat``."""
    behavior = torch.from_numpy(batch.behavior_logprobs[flat])
    assert algorithm.kl is not None
    estimate = KL_ESTIMATORS[algorithm.kl.estimator]
    return estimate(behavior, reference[torch.from_numpy(flat)], algorithm.max_log_ratio)
