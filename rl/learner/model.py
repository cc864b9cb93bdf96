"""The trainable model: a Hugging Face causal LM behind one call that returns the log-probs of chosen tokens and nothing else."""

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rl.config.learner import LearnerConfig, LoraConfig
from rl.learner import packed_attention
from rl.learner.deepspeed_setup import sharded_loading
from rl.learner.dropout import silence_config, silence_layers
from rl.learner.head import head_logprobs, token_logprobs
from rl.learner.names import adopt_names
from rl.learner.sequence_parallel import hidden_states
from rl.learner.value_head import ValueHead

logger = logging.getLogger(__name__)

RESCALED_LOGITS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "output_multiplier_scale", "lm_head_multiplier")
"""Config fields of models that do more to the hidden states than one matrix product; those run through their own forward."""


class LogprobModel(nn.Module):
    """Wraps the causal LM so that DeepSpeed sees one module whose output is [T] log-probs."""

    def __init__(self, causal_lm: nn.Module, *, value_head: bool = False, logits_per_chunk: int = 1 << 27) -> None:
        super().__init__()
        self.causal_lm = causal_lm
        self.rows_per_chunk = max(1, logits_per_chunk // causal_lm.config.vocab_size)
        self.value_head = ValueHead(causal_lm.config.hidden_size).to(causal_lm.dtype) if value_head else None
        self.sequence_group: Any = None
        """Ranks that share each sequence, once there are any."""
        self.rescales = any(getattr(causal_lm.config, field, None) not in (None, 1.0) for field in RESCALED_LOGITS)

    def forward(
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor | None,
        boundaries: torch.Tensor | None,
        select: torch.Tensor,
        targets: torch.Tensor,
        temperature: float,
        most: int = 0,
        with_values: bool = False,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """[T] float32 nats: log p of ``targets`` at the flattened positions ``select``, at ``temperature``; and [T] values there.

        ``MicroBatch.for_logprobs`` has the arguments. Only the selected hidden states meet the vocabulary, so prompts and padding
        cost no logits. ``most`` is the largest T of any rank in this call, so that all of them chunk alike.
        """
        if self.rescales:
            arguments = packed_attention.row_arguments(self.causal_lm.config, input_ids, position_ids, boundaries)
            logits = self.causal_lm(**arguments).logits.flatten(0, 1).index_select(0, select)
            return token_logprobs(logits, targets, temperature)
        hidden = hidden_states(self.causal_lm.base_model, input_ids, position_ids, boundaries, select, self.sequence_group)
        head = self.causal_lm.get_output_embeddings()
        chunks = -(-max(most, len(hidden)) // self.rows_per_chunk)
        logprobs = head_logprobs(head, hidden, targets, temperature, chunks=chunks)
        if not with_values:
            return logprobs
        assert self.value_head is not None, "built without a value head"
        return logprobs, self.value_head(hidden)


def load_model(model_path: str, config: LearnerConfig, *, value_head: bool = False) -> LogprobModel:
    """Load the base, with adapters if configured, in the dtype that it trains in (DeepSpeed keeps float32 masters beside bf16); no
    dropout.

    At ZeRO-3 a collective: no rank ever holds the whole model. ValueError for a model that cannot be packed (``packing=varlen`` on
    a GPU), or a value head for one that rescales its logits.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    attention = attention_for(model_path, config)
    base = AutoConfig.from_pretrained(model_path)
    silence_config(base)
    dtype = torch.bfloat16 if config.dtype == "bfloat16" else torch.float32
    # Rank 0 alone may draw numbers while a model is loaded in parts; fresh adapters must start equal on all ranks.
    drawn = torch.get_rng_state()
    with sharded_loading(config):
        causal_lm = AutoModelForCausalLM.from_pretrained(model_path, config=base, dtype=dtype, attn_implementation=attention)
        torch.set_rng_state(drawn)
        adopt_names(causal_lm, Path(model_path))
        if config.lora is not None:
            causal_lm = add_adapters(causal_lm, config.lora)
    silence_layers(causal_lm)
    if config.gradient_checkpointing:
        causal_lm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model = LogprobModel(causal_lm, value_head=value_head, logits_per_chunk=config.logits_per_chunk)
    if value_head and model.rescales:
        raise ValueError("algorithm.critic.kind: shared does not know this model's own forward pass; use separate")
    if config.sequence_parallel > 1 and model.rescales:
        raise ValueError("learner.sequence_parallel: does not know this model's own forward pass; set it to 1")
    return model


def attention_for(model_path: str, config: LearnerConfig) -> str | None:
    """The name in transformers of the attention that computes what the model defines; None for its default.

    The default is ``sdpa`` where the model has it (gpt-oss has not). It drops a soft cap on attention scores (Gemma 2) without a
    word, so those models run ``eager``.
    """
    from transformers import AutoConfig

    own = AutoConfig.from_pretrained(model_path).get_text_config(decoder=True)
    if config.packing == "varlen" and config.device == "cuda":
        why = packed_attention.refusal(own)
        if why is not None:
            raise ValueError(f"learner.packing: varlen cannot run {own.model_type}: {why}; set learner.packing=buckets")
        packed_attention.register()
        return packed_attention.NAME
    return "eager" if getattr(own, "attn_logit_softcapping", None) else None


def add_adapters(causal_lm: nn.Module, config: LoraConfig) -> nn.Module:
    """The same model with PEFT's layers injected and everything else frozen; initialised from torch's global RNG.

    ValueError for an adapter on tied embeddings (merged, it would change the other end of the model too), or on experts that
    transformers holds as one tensor.
    """
    import peft
    from peft.tuners.lora.layer import ParamWrapper
    from peft.tuners.tuners_utils import BaseTunerLayer

    injected = peft.get_peft_model(causal_lm, peft_config(config), autocast_adapter_dtype=False).get_base_model()
    if any(isinstance(module, ParamWrapper) for module in injected.modules()):
        raise ValueError(
            "learner.lora.target_modules: adapters of a mixture's experts are not supported; name modules outside of them, such as "
            "[q_proj,k_proj,v_proj,o_proj]"
        )
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
