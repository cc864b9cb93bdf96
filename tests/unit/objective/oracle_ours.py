"""The same update through the code under test: the learner's plan of it, the objective, autograd in
float32."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig
from rl.learner.critic import critic_loss
from rl.learner.micro_batch import MicroBatch
from rl.learner.terms import token_inputs
from rl.learner.update_plan import PlannedUpdate, Signals, StepContext, plan_update
from rl.objective.estimator import policy_gradient_loss
from rl.objective.inputs import TokenInputs
from tests.unit.objective.oracle_case import MAX_TOKENS, Case


@dataclass(frozen=True, kw_only=True)
class Gradients:
    """Of one update."""

    loss: float
    policy: torch.Tensor
    """[V, V]."""
    critic_loss: float = 0.0
    critic: torch.Tensor | None = None
    """[V], with a critic."""


def planned(case: Case, config: AlgorithmConfig, *, first: bool) -> PlannedUpdate:
    """One update on the whole batch, in micro-batches of about three sequences."""
    context = StepContext(
        config=LearnerConfig(micro_batch_tokens=40),
        algorithm=config,
        rank=0,
        world_size=1,
        max_tokens=MAX_TOKENS,
    )
    signals = Signals(
        reference_logprobs=case.scores(case.base) if config.kl.coefficient else None,
        values=case.old_values() if config.critic is not None else None,
        kl_coefficient=config.kl.coefficient,
    )
    plan = plan_update(case.batch, np.arange(len(case.batch.rewards)), signals, context)
    start = None if first else case.scores(case.start)
    return replace(plan, terms=replace(plan.terms, proximal_logprobs=start))


def estimator_inputs(
    case: Case, plan: PlannedUpdate, table: torch.Tensor
) -> Iterator[tuple[MicroBatch, TokenInputs]]:
    """What the estimator reads of each micro-batch under the policy ``table``."""
    for micro, padding in plan.micro_batches:
        logits = table[micro.input_ids].flatten(0, 1)[micro.select]
        policy = logits.log_softmax(-1).gather(1, micro.targets[:, None])[:, 0]
        yield micro, token_inputs(policy, micro, case.batch, plan.terms, padding=padding)


def ours(case: Case, config: AlgorithmConfig, *, first: bool) -> Gradients:
    """Loss and gradient of the first update of the batch, or of a later one."""
    plan = planned(case, config, first=first)
    table = (case.start if first else case.moved).clone().requires_grad_()
    total = 0.0
    for _, inputs in estimator_inputs(case, plan, table):
        loss = policy_gradient_loss(inputs, config).loss
        loss.backward()
        total += float(loss.detach())
    assert table.grad is not None
    if config.critic is None:
        return Gradients(loss=total, policy=table.grad)
    values = (case.values if first else case.values_moved).clone().requires_grad_()
    value_total = 0.0
    for micro, padding in plan.critic_micro_batches:
        loss = critic_loss(
            values[micro.input_ids].flatten()[micro.select], micro, plan.terms, config.critic, padding=padding
        )
        loss.backward()
        value_total += float(loss.detach())
    return Gradients(loss=total, policy=table.grad, critic_loss=value_total, critic=values.grad)
