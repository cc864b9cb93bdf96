"""The inputs of the estimator for one micro-batch."""

from dataclasses import dataclass

from rl.objective.shapes import PerToken, TokenFlags, TokenIds


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInputs:
    """The loss tokens of one micro-batch, flattened over its samples. Micro-batches hold whole samples."""

    policy_logprobs: PerToken
    """[T] nats, under the weights being trained, at the sampling temperature; the only field with a
    gradient."""
    behavior_logprobs: PerToken
    """[T] nats, as the engine reported them; 0 on demonstrations."""
    proximal_logprobs: PerToken | None = None
    """[T] under the weights at the start of the batch; None on the first update, when they are the policy's
    own."""
    reference_logprobs: PerToken | None = None
    """[T] under the reference policy; None without one, or where its KL is not in the loss."""
    advantages: PerToken
    """[T]."""
    weights: PerToken
    """[T] aggregation weight, global denominator included; 0 on padding micro-batches."""
    sequence: TokenIds
    """[T] int64 index of each token's sample inside the micro-batch."""
    demonstration: TokenFlags | None = None
    """[T] True on tokens that were shown, not sampled."""
    kl_coefficient: float = 0.0
    """Coefficient of the KL term in the loss, as of this step."""
