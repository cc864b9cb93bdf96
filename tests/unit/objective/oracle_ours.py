"""The same update through the code under test: the learner's plan of it, the objective, autograd in
float32."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig
from rl.learner.context import Measured, StepContext
from rl.learner.losses import critic_loss, token_inputs
from rl.learner.micro_batch import MicroBatch
from rl.learner.update_plan import PlannedUpdate, plan_updates
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


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One update on the whole batch, in micro-batches of about three sequences."""

    case: Case
    update: PlannedUpdate
    measured: Measured
    context: StepContext

    def estimator_inputs(self, table: torch.Tensor) -> Iterator[tuple[MicroBatch, TokenInputs]]:
        """What the estimator reads of each micro-batch under the policy ``table``."""
        for micro in self.update.micro_batches:
            logits = table[micro.input_ids].flatten(0, 1)[micro.select]
            policy = logits.log_softmax(-1).gather(1, micro.targets[:, None])[:, 0]
            make_inputs = token_inputs(
                micro, self.case.batch, self.update, self.measured, self.context, policy.device
            )
            yield micro, make_inputs(policy_logprobs=policy)


def planned(case: Case, config: AlgorithmConfig, *, first: bool) -> Planned:
    """The first update of the batch, or a later one."""
    context = StepContext(
        config=LearnerConfig(micro_batch_tokens=40),
        algorithm=config,
        rank=0,
        world_size=1,
        max_tokens=MAX_TOKENS,
    )
    measured = Measured(
        reference_logprobs=torch.from_numpy(case.scores(case.base)) if config.kl is not None else None,
        values=torch.from_numpy(case.old_values()) if config.critic is not None else None,
        kl_coefficient=0.0 if config.kl is None else config.kl.coefficient,
    )
    (update,) = plan_updates(case.batch, measured, context)
    if not first:
        update = replace(update, proximal_logprobs=torch.from_numpy(case.scores(case.start)))
    return Planned(case=case, update=update, measured=measured, context=context)


def ours(case: Case, config: AlgorithmConfig, *, first: bool) -> Gradients:
    """Loss and gradient of the first update of the batch, or of a later one."""
    plan = planned(case, config, first=first)
    table = (case.start if first else case.moved).clone().requires_grad_()
    total = 0.0
    for _, inputs in plan.estimator_inputs(table):
        loss = policy_gradient_loss(inputs, config).loss
        loss.backward()
        total += float(loss.detach())
    assert table.grad is not None
    if config.critic is None:
        return Gradients(loss=total, policy=table.grad)
    values = (case.values if first else case.values_moved).clone().requires_grad_()
    value_total = 0.0
    for micro in plan.update.critic_micro_batches:
        given = values[micro.input_ids].flatten()[micro.select]
        loss = critic_loss(given, micro, plan.update, plan.measured, config.critic)
        loss.backward()
        value_total += float(loss.detach())
    return Gradients(loss=total, policy=table.grad, critic_loss=value_total, critic=values.grad)
