"""The losses of one micro-batch: each of its loss tokens looks up what belongs to it, in the update's terms
and in the batch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from rl.batch.types import TrainingBatch
from rl.config.algorithm import CriticConfig, SharedCriticConfig
from rl.learner.context import Measured, StepContext
from rl.learner.micro_batch import MicroBatch
from rl.learner.update_plan import PlannedUpdate
from rl.objective.estimator import policy_gradient_loss
from rl.objective.inputs import TokenInputs
from rl.objective.terms import UpdateTerms
from rl.objective.value_loss import value_loss


def policy_loss(
    host: MicroBatch,
    *,
    engine: Any,
    batch: TrainingBatch,
    update: PlannedUpdate,
    measured: Measured,
    context: StepContext,
    scores: list[tuple[MicroBatch, torch.Tensor]] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The estimator's loss of a micro-batch on the host, with the value loss where the critic shares the
    trunk, and sums: the estimator's and the two losses. The log-probs [T] are put into ``scores``, where they
    are to be kept."""
    make_inputs = token_inputs(host, batch, update, measured, context, engine.device)
    critic = context.algorithm.critic
    shared = critic if isinstance(critic, SharedCriticConfig) else None
    micro = host.to(engine.device)
    arguments = micro.for_logprobs(batch.temperature)
    values: torch.Tensor
    if shared is None:
        policy = engine(*arguments)
    else:
        policy, values = engine(*arguments, True)
    if scores is not None:
        scores.append((host, policy.detach()))
    output = policy_gradient_loss(make_inputs(policy_logprobs=policy), context.algorithm)
    total, value = output.loss, output.loss.new_zeros(())
    if shared is not None:
        value = critic_loss(values, micro, update, measured, shared)
        total = total + shared.coefficient * value
    return total, torch.cat([output.sums, torch.stack([output.loss, value]).detach().double()])


def token_inputs(
    micro: MicroBatch,
    batch: TrainingBatch,
    update: PlannedUpdate,
    measured: Measured,
    context: StepContext,
    device: torch.device,
) -> Callable[..., TokenInputs]:
    """The estimator's inputs for one micro-batch, on the device, but for ``policy_logprobs``, which the
    forward pass will give."""
    terms = micro_batch_terms(update, micro)
    index = torch.from_numpy(micro.flat)
    shown = batch.demonstration[micro.sample]
    kl = context.algorithm.kl
    kl_in_loss = kl is not None and kl.place == "loss"

    def put(values: torch.Tensor) -> torch.Tensor:
        return values.to(device, non_blocking=True)

    def look_up(of_batch: torch.Tensor | None) -> torch.Tensor | None:
        return None if of_batch is None else put(of_batch[index])

    return partial(
        TokenInputs,
        behavior_logprobs=put(torch.from_numpy(batch.behavior_logprobs[micro.flat])),
        proximal_logprobs=look_up(update.proximal_logprobs),
        reference_logprobs=look_up(measured.reference_logprobs) if kl_in_loss else None,
        advantages=put(terms.advantages),
        weights=put(terms.weights),
        sequence=put(torch.from_numpy(np.unique(micro.sample, return_inverse=True)[1])),
        demonstration=put(torch.from_numpy(shown)) if shown.any() else None,
        kl_coefficient=measured.kl_coefficient if kl_in_loss else 0.0,
    )


def micro_batch_terms(update: PlannedUpdate, micro: MicroBatch) -> UpdateTerms:
    """The terms [T] of the micro-batch's loss tokens, on the host; all 0 for a padding one."""
    terms = update.terms
    # A padding micro-batch may hold a sample that is not in the update.
    index = None if micro.padding else torch.from_numpy(np.searchsorted(update.flat, micro.flat))

    def own(of_update: torch.Tensor) -> torch.Tensor:
        return of_update.new_zeros(len(micro.flat)) if index is None else of_update[index]

    return UpdateTerms(
        advantages=own(terms.advantages),
        weights=own(terms.weights),
        value_weights=own(terms.value_weights),
        returns=None if terms.returns is None else own(terms.returns),
    )


def critic_loss(
    values: torch.Tensor, micro: MicroBatch, update: PlannedUpdate, measured: Measured, config: CriticConfig
) -> torch.Tensor:
    """[] the micro-batch's share of the value loss, of ``values`` [T] with their gradient; a padding
    micro-batch gives 0 with a gradient path."""
    terms, device = micro_batch_terms(update, micro), values.device
    assert measured.values is not None and terms.returns is not None
    return value_loss(
        values,
        measured.values[torch.from_numpy(micro.flat)].to(device),
        terms.returns.to(device),
        terms.value_weights.to(device),
        clip=config.clip,
    )
