"""The module that DeepSpeed sees: a Hugging Face causal LM behind one call that returns log-probs of chosen
tokens.

Needs torch and transformers only.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from rl.learner import packed_attention
from rl.learner.head import head_logprobs, token_logprobs
from rl.learner.sequence_parallel import hidden_states
from rl.learner.value_head import ValueHead

if TYPE_CHECKING:
    from transformers import PreTrainedModel

RESCALED_LOGITS = (
    "final_logit_softcapping",
    "logit_scale",
    "logits_scaling",
    "output_multiplier_scale",
    "lm_head_multiplier",
)
"""Config fields of models that do more to the hidden states than one matrix product; those run through their
own forward."""


def products(low: bool, device: torch.device) -> AbstractContextManager[Any]:
    """Inside the block matrix products run in bfloat16 if ``low``; what autocast holds to be delicate stays
    in float32."""
    return torch.autocast(device.type, torch.bfloat16) if low else nullcontext()


class LogprobModel(nn.Module):
    """Wraps the causal LM so that DeepSpeed sees one module whose output is [T] log-probs."""

    def __init__(
        self,
        causal_lm: "PreTrainedModel",
        *,
        value_head: bool = False,
        logits_per_chunk: int = 1 << 27,
        autocast: bool = False,
    ) -> None:
        """``autocast``: matrix products in bfloat16, whatever the weights are in."""
        super().__init__()
        self.causal_lm = causal_lm
        self.rows_per_chunk = max(1, logits_per_chunk // causal_lm.config.vocab_size)
        self.value_head = ValueHead(causal_lm.config.hidden_size).to(causal_lm.dtype) if value_head else None
        self.autocast = autocast
        self.sequence_group: Any = None
        """Ranks that share each sequence, once there are any."""
        self.rescales = any(
            getattr(causal_lm.config, field, None) not in (None, 1.0) for field in RESCALED_LOGITS
        )

    def forward(
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor | None,
        boundaries: torch.Tensor | None,
        select: torch.Tensor,
        targets: torch.Tensor,
        temperature: float,
        most_loss_tokens: int = 0,
        with_values: bool = False,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """[T] float32 nats: log p of ``targets`` at the flattened positions ``select``, at ``temperature``;
        and [T] values there.

        ``MicroBatch.for_logprobs`` has the arguments. Only the selected hidden states meet the vocabulary, so
        prompts and padding cost no logits. ``most_loss_tokens`` is the largest T of any rank in this call, so
        that all of them chunk alike.
        """
        with products(self.autocast, input_ids.device):
            logprobs, hidden = self._logprobs(
                input_ids, position_ids, boundaries, select, targets, temperature, most_loss_tokens
            )
        if not with_values:
            return logprobs
        assert self.value_head is not None, "built without a value head"
        return logprobs, self.value_head(hidden)

    def _logprobs(
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor | None,
        boundaries: torch.Tensor | None,
        select: torch.Tensor,
        targets: torch.Tensor,
        temperature: float,
        most_loss_tokens: int,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """[T] log-probs and the hidden states [T, H] that they come from, where the model shows them."""
        if self.rescales:
            arguments = packed_attention.row_arguments(
                self.causal_lm.config, input_ids, position_ids, boundaries
            )
            logits = self.causal_lm(**arguments).logits.flatten(0, 1).index_select(0, select)
            return token_logprobs(logits, targets, temperature), None
        hidden = hidden_states(
            self.causal_lm.base_model, input_ids, position_ids, boundaries, select, self.sequence_group
        )
        head = self.causal_lm.get_output_embeddings()
        chunks = -(-max(most_loss_tokens, len(hidden)) // self.rows_per_chunk)
        return head_logprobs(head, hidden, targets, temperature, chunks=chunks), hidden
