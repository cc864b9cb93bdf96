"""The trainable model: a Hugging Face causal LM behind one call that returns the log-probs of chosen tokens and nothing else."""

import logging
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from rl.config.learner import LearnerConfig, LoraConfig
from rl.learner.sequence_parallel import hidden_states
from rl.learner.value_head import ValueHead

logger = logging.getLogger(__name__)

LOGITS_PER_CHUNK = 1 << 27
"""Logits held at once; more are recomputed in the backward pass, chunk by chunk (512 MiB in float32)."""
RESCALED_LOGITS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "output_multiplier_scale", "lm_head_multiplier")
"""Config fields of models that do more to the hidden states than one matrix product; those run through their own forward."""


class LogprobModel(nn.Module):
    """Wraps the causal LM so that DeepSpeed sees one module whose output is [T] log-probs."""

    def __init__(self, causal_lm: nn.Module, *, value_head: bool = False) -> None:
        super().__init__()
        self.causal_lm = causal_lm
        self.value_head = ValueHead(causal_lm.config.hidden_size) if value_head else None
        self.sequence_group: Any = None
        """Ranks that share each sequence, once there are any."""
        self.rescales = any(getattr(causal_lm.config, field, None) not in (None, 1.0) for field in RESCALED_LOGITS)

    def forward(
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor | None,
        select: torch.Tensor,
        targets: torch.Tensor,
        temperature: float,
        with_values: bool = False,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """[T] float32 nats: log p of ``targets`` at the flattened positions ``select``, at ``temperature``; and [T] values there.

        Only the selected hidden states meet the vocabulary, so prompts and padding cost no logits.
        """
        if self.rescales:
            arguments: dict[str, Any] = {"input_ids": input_ids, "use_cache": False}
            if position_ids is not None:
                arguments["position_ids"] = position_ids
            logits = self.causal_lm(**arguments).logits.flatten(0, 1).index_select(0, select)
            return token_logprobs(logits, targets, temperature)
        hidden = hidden_states(self.causal_lm.base_model, input_ids, position_ids, select, self.sequence_group)
        head = self.causal_lm.get_output_embeddings()
        rows = max(1, LOGITS_PER_CHUNK // self.causal_lm.config.vocab_size)
        if len(hidden) <= rows:
            logprobs = token_logprobs(head(hidden), targets, temperature)
        else:
            chunks = [
                checkpoint(_head_logprobs, head, h, t, temperature, use_reentrant=False)
                for h, t in zip(hidden.split(rows), targets.split(rows), strict=True)
            ]
            logprobs = torch.cat(chunks)
        if not with_values:
            return logprobs
        assert self.value_head is not None, "built without a value head"
        return logprobs, self.value_head(hidden)


def token_logprobs(logits: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
    """[T] float32 ``log_softmax(logits / temperature)[target]`` of logits [T, V], in float32 whatever the model's dtype."""
    scaled = logits.float() if temperature == 1.0 else logits.float() / temperature
    return -F.cross_entropy(scaled, targets, reduction="none")


def _head_logprobs(head: nn.Module, hidden: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
    return token_logprobs(head(hidden), targets, temperature)


def load_model(model_path: str, config: LearnerConfig, *, value_head: bool = False) -> LogprobModel:
    """Load the base, with adapters if configured, in float32 (DeepSpeed casts to bf16 and keeps float32 masters).

    ValueError if ``packing=varlen`` is asked for on a CPU, or a value head for a model that rescales its logits.
    """
    from transformers import AutoModelForCausalLM

    attention = "sdpa"
    if config.packing == "varlen":
        if config.device != "cuda":
            raise ValueError("learner.packing: varlen needs flash attention on a GPU; use buckets on CPU")
        attention = "flash_attention_2"
    causal_lm = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32, attn_implementation=attention)
    if config.lora is not None:
        causal_lm = add_adapters(causal_lm, config.lora)
    if config.gradient_checkpointing:
        causal_lm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model = LogprobModel(causal_lm, value_head=value_head)
    if value_head and model.rescales:
        raise ValueError("algorithm.critic.kind: shared does not know this model's own forward pass; use separate")
    if config.sequence_parallel > 1 and model.rescales:
        raise ValueError("learner.sequence_parallel: does not know this model's own forward pass; set it to 1")
    return model


def add_adapters(causal_lm: nn.Module, config: LoraConfig) -> nn.Module:
    """The same model with PEFT's layers injected and everything else frozen; initialised from torch's global RNG.

    ValueError for an adapter on tied embeddings: merged, it would change the other end of the model too.
    """
    import peft
    from peft.tuners.tuners_utils import BaseTunerLayer

    injected = peft.get_peft_model(causal_lm, peft_config(config)).get_base_model()
    ends = (injected.get_input_embeddings(), injected.get_output_embeddings())
    if injected.config.tie_word_embeddings and any(isinstance(end, BaseTunerLayer) for end in ends):
        raise ValueError(
            "learner.lora.target_modules: the base's embeddings and output head are one matrix, which an adapter on either would "
            "change for both; leave embed_tokens and lm_head out"
        )
    return injected


def peft_config(config: LoraConfig) -> Any:
    """Our section in PEFT's words."""
    import peft

    return peft.LoraConfig(
        r=config.r,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=config.target_modules if isinstance(config.target_modules, str) else list(config.target_modules),
        use_rslora=config.kind == "rslora",
        use_dora=config.kind == "dora",
        task_type="CAUSAL_LM",
    )
