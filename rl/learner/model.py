"""Loading the trainable model: the base, with the attention that it defines, in parts at ZeRO-3, with
adapters."""

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rl.config.learner import LearnerConfig, LoraConfig
from rl.learner import packed_attention, shared_prompts
from rl.learner.buffers import restore_buffers
from rl.learner.deepspeed_setup import sharded_loading
from rl.learner.dropout import silence_config, silence_layers
from rl.learner.logprob_model import LogprobModel
from rl.learner.masters import keep_low_bits, stored_in_bfloat16
from rl.learner.names import adopt_names

logger = logging.getLogger(__name__)


def load_model(
    model_path: str,
    config: LearnerConfig,
    *,
    value_head: bool = False,
    trust: bool = False,
    frozen: bool = False,
) -> LogprobModel:
    """Load the base, with adapters if configured, in the dtype that its weights train in; no dropout.

    At ZeRO-3 a collective: no rank ever holds the whole model. ValueError for a model that cannot be packed
    (``packing=varlen`` on a GPU), or a value head for one that rescales its logits. ``trust``: the base's own
    code may run. Of a bf16 model that trains, what the files hold beyond bf16 is kept for its float32 masters
    (``rl.learner.masters``); ``frozen`` ones have none.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    attention = attention_for(model_path, config, trust=trust)
    base = AutoConfig.from_pretrained(model_path, trust_remote_code=trust)
    silence_config(base)
    dtype = torch.bfloat16 if config.dtype == "bfloat16" else torch.float32
    # Rank 0 alone may draw numbers while a model is loaded in parts; fresh adapters must start equal on all
    # ranks.
    drawn = torch.get_rng_state()

    def load(asked: LearnerConfig, dtype: torch.dtype) -> tuple[Any, bool]:
        with sharded_loading(asked) as in_parts:
            causal_lm = AutoModelForCausalLM.from_pretrained(
                model_path, config=base, dtype=dtype, attn_implementation=attention, trust_remote_code=trust
            )
        return causal_lm, in_parts

    causal_lm, in_parts = load(config, dtype)
    if in_parts:
        restore_buffers(causal_lm, base, dtype=dtype, trust=trust)
    trains_whole = config.lora is None and not frozen
    if config.dtype == "bfloat16" and trains_whole and not stored_in_bfloat16(Path(model_path)):
        # The float32 model is gone before the optimizer takes its memory.
        keep_low_bits(causal_lm, load(config.model_copy(update={"dtype": "float32"}), torch.float32)[0])
    torch.set_rng_state(drawn)
    with sharded_loading(config):
        adopt_names(causal_lm, Path(model_path))
        if config.lora is not None:
            causal_lm = add_adapters(causal_lm, config.lora)
    silence_layers(causal_lm)
    if config.gradient_checkpointing:
        causal_lm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model = LogprobModel(
        causal_lm,
        value_head=value_head,
        logits_per_chunk=config.logits_per_chunk,
        autocast=config.dtype == "autocast",
    )
    _check_rescaling(model, config)
    return model


def _check_rescaling(model: LogprobModel, config: LearnerConfig) -> None:
    """ValueError for what does not know a model's own way to its logits."""
    if model.value_head is not None and model.rescales:
        raise ValueError(
            "algorithm.advantage.critic: shared does not know this model's own forward pass; use separate"
        )
    if config.sequence_parallel > 1 and model.rescales:
        raise ValueError(
            "learner.packing.sequence_parallel: does not know this model's own forward pass; set it to 1"
        )


def attention_for(model_path: str, config: LearnerConfig, *, trust: bool = False) -> str | None:
    """The name in transformers of the attention that computes what the model defines; None for its default.

    The default is ``sdpa`` where the model has it (gpt-oss has not). It drops a soft cap on attention scores
    (Gemma 2) without a word, so those models run ``eager``.
    """
    from transformers import AutoConfig

    own = AutoConfig.from_pretrained(model_path, trust_remote_code=trust).get_text_config(decoder=True)
    if config.packing.name == "varlen" and config.device == "cuda":
        why = packed_attention.refusal(own)
        if why is not None:
            raise ValueError(
                f"learner.packing: varlen cannot run {own.model_type}: {why}; set learner.packing=buckets"
            )
        packed_attention.register()
        return packed_attention.NAME
    if config.packing.name == "shared":
        why = shared_prompts.refusal(own)
        if why is not None:
            raise ValueError(
                f"learner.packing: shared cannot run {own.model_type}: {why}; set learner.packing=buckets"
            )
        return "sdpa"
    return "eager" if getattr(own, "attn_logit_softcapping", None) else None


def add_adapters(causal_lm: nn.Module, config: LoraConfig) -> nn.Module:
    """The same model with PEFT's layers injected and everything else frozen; initialised from torch's global
    RNG.

    ValueError for an adapter on tied embeddings (merged, it would change the other end of the model too), or
    on experts that transformers holds as one tensor.
    """
    import peft
    from peft.tuners.lora.layer import ParamWrapper
    from peft.tuners.tuners_utils import BaseTunerLayer

    injected = peft.get_peft_model(
        causal_lm, peft_config(config), autocast_adapter_dtype=False
    ).get_base_model()
    if any(isinstance(module, ParamWrapper) for module in injected.modules()):
        raise ValueError(
            "learner.lora.target_modules: adapters of a mixture's experts are not supported; name modules"
            " outside of them, such as [q_proj,k_proj,v_proj,o_proj]"
        )
    ends = (injected.get_input_embeddings(), injected.get_output_embeddings())
    if injected.config.tie_word_embeddings and any(isinstance(end, BaseTunerLayer) for end in ends):
        raise ValueError(
            "learner.lora.target_modules: the base's embeddings and output head are one matrix, which an"
            " adapter on either would change for both; leave embed_tokens and lm_head out"
        )
    return injected


def peft_config(config: LoraConfig) -> Any:
    """Our section in PEFT's words."""
    import peft

    return peft.LoraConfig(
        r=config.r,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=(
            config.target_modules if isinstance(config.target_modules, str) else list(config.target_modules)
        ),
        use_rslora=config.kind == "rslora",
        use_dora=config.kind == "dora",
        task_type="CAUSAL_LM",
    )
