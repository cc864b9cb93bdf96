"""The constants of one update as flat arrays over the whole batch: each loss token of a micro-batch looks its
own up."""

from dataclasses import dataclass

import numpy as np
import torch

from rl.batch.types import TrainingBatch
from rl.learner.micro_batch import MicroBatch
from rl.objective.inputs import TokenInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTerms:
    """Float32 on the host; N = all tokens of the batch, prompts included."""

    advantages: np.ndarray
    """[N]."""
    weights: np.ndarray
    """[N] weight of the token in the policy's loss."""
    value_weights: np.ndarray
    """[N] weight of the token in the critic's loss."""
    proximal_logprobs: np.ndarray | None = None
    """[N], or None on the first update of a batch."""
    reference_logprobs: np.ndarray | None = None
    """[N], or None without a reference policy in the loss."""
    values: np.ndarray | None = None
    """[N] the critic's at the start of the batch."""
    returns: np.ndarray | None = None
    """[N] the critic's targets."""
    kl_coefficient: float = 0.0


def token_inputs(
    policy: torch.Tensor, micro: MicroBatch, batch: TrainingBatch, terms: UpdateTerms, *, padding: bool
) -> TokenInputs:
    """What the estimator reads of one micro-batch; a padding one weighs nothing."""

    def put(values: np.ndarray | None) -> torch.Tensor | None:
        return None if values is None else look_up(values, micro, policy.device)

    advantages, behavior, weights = put(terms.advantages), put(batch.behavior_logprobs), put(terms.weights)
    assert advantages is not None and behavior is not None and weights is not None
    shown = batch.demonstration[micro.sample]
    return TokenInputs(
        policy_logprobs=policy,
        behavior_logprobs=behavior,
        proximal_logprobs=put(terms.proximal_logprobs),
        reference_logprobs=put(terms.reference_logprobs),
        advantages=advantages,
        weights=torch.zeros_like(weights) if padding else weights,
        sequence=torch.from_numpy(np.unique(micro.sample, return_inverse=True)[1]).to(policy.device),
        demonstration=torch.from_numpy(shown).to(policy.device) if shown.any() else None,
        kl_coefficient=terms.kl_coefficient,
    )


def look_up(values: np.ndarray, micro: MicroBatch, device: torch.device) -> torch.Tensor:
    """[T] the entries of ``values`` [N] at the micro-batch's loss tokens."""
    return torch.from_numpy(values[micro.flat]).to(device, non_blocking=True)
