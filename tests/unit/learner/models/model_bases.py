"""Tiny random bases of many architectures, as a user's directories would hold them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

VOCABULARY = 96
COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.1,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
SMALL = {"vocab_size": VOCABULARY, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 24}
ROUTED = {
    **EXPERTS,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
}
LATENT = {
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
}


def _of(name: str, **more: Any) -> Callable[[], Any]:
    return lambda: getattr(transformers, f"{name}Config")(**{**COMMON, **more})


def _alone(name: str, **fields: Any) -> Callable[[], Any]:
    return lambda: getattr(transformers, f"{name}Config")(**{**SMALL, **fields})


GPT2 = {"n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 2, "initializer_range": 0.1}
OPT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "ffn_dim": 48,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
}

ARCHITECTURES: dict[str, Callable[[], Any]] = {
    "llama": _of("Llama", head_dim=16),
    "llama_tied": _of("Llama", tie_word_embeddings=True),
    "qwen2": _of("Qwen2"),
    "qwen3": _of("Qwen3", head_dim=16),
    "gemma2": _of("Gemma2", head_dim=16, query_pre_attn_scalar=16, sliding_window=16),
    "gemma3": _of("Gemma3Text", head_dim=16, query_pre_attn_scalar=16, sliding_window=16),
    "phi3": _of("Phi3", original_max_position_embeddings=64),
    "mistral": _of("Mistral", head_dim=16, sliding_window=16),
    "olmo2": _of("Olmo2"),
    "granite": _of("Granite", logits_scaling=8.0, embedding_multiplier=6.0),
    "cohere": _of("Cohere", logit_scale=0.25),
    "stablelm": _of("StableLm"),
    "gpt2": _alone("GPT2", **GPT2),
    "opt": _alone("OPT", **OPT, word_embed_proj_dim=32),
    "gpt_neox": _alone(
        "GPTNeoX", **{k: v for k, v in COMMON.items() if k not in SMALL and k != "num_key_value_heads"}
    ),
    "mixtral": _of("Mixtral", num_local_experts=4),
    "olmoe": _of("Olmoe", num_experts=4, num_experts_per_tok=2),
    "qwen3_moe": _of(
        "Qwen3Moe", head_dim=16, num_experts=4, decoder_sparse_step=1, mlp_only_layers=[], **EXPERTS
    ),
    "gpt_oss": _of(
        "GptOss",
        head_dim=16,
        num_local_experts=4,
        num_experts_per_tok=2,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4},
    ),
    "glm4_moe": _of("Glm4Moe", head_dim=16, **ROUTED),
    "deepseek_v3": _of("DeepseekV3", **ROUTED, **LATENT),
}


def save_base(name: str, directory: Path, **changes: Any) -> Path:
    """Write the base ``name`` with random weights and buffers; ``changes`` to its config."""
    torch.manual_seed(0)
    config = ARCHITECTURES[name]()
    for field, value in changes.items():
        setattr(config, field, value)
    model = transformers.AutoModelForCausalLM.from_config(config).float()
    with torch.no_grad():
        for buffer_name, buffer in model.named_buffers():
            if buffer_name.endswith("e_score_correction_bias"):
                buffer.normal_()
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.endswith("bias"):
                parameter.normal_(std=0.1)
    model.save_pretrained(directory)
    save_tokenizer(directory)
    return directory


def save_tokenizer(directory: Path, *, end: str | None = "t2", words: int = VOCABULARY) -> None:
    """One word for each token id."""
    tokenizer = Tokenizer(models.WordLevel({f"t{i}": i for i in range(words)}, unk_token="t0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"bos_token": "t1", "pad_token": "t0"} | ({} if end is None else {"eos_token": end})
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(directory)
