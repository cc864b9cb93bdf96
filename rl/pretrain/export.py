"""From the lean module to a transformers directory that vLLM loads."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import GenerationConfig, LlamaConfig

from rl.config.model import RecipeConfig
from rl.pretrain.lean import RMS_EPS, LeanLayer, LeanLlama
from rl.pretrain.tokenizer import BOS_ID, EOS_ID, PAD_ID, VOCAB_SIZE, char_tokenizer


def llama_config(recipe: RecipeConfig) -> LlamaConfig:
    """The transformers config of a recipe."""
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=VOCAB_SIZE,
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.num_layers,
        num_attention_heads=recipe.num_heads,
        num_key_value_heads=recipe.num_heads,
        head_dim=recipe.head_dim,
        max_position_embeddings=recipe.max_positions,
        rms_norm_eps=RMS_EPS,
        rope_parameters={"rope_type": "default", "rope_theta": recipe.rope_theta},
        tie_word_embeddings=recipe.tied,
        bos_token_id=BOS_ID,
        eos_token_id=EOS_ID,
        pad_token_id=PAD_ID,
        dtype="float32",
    )


def hf_state_dict(model: LeanLlama) -> dict[str, torch.Tensor]:
    """Weights under transformers' names; ``lm_head.weight`` only if untied."""
    weights = {"model.embed_tokens.weight": model.embed.weight, "model.norm.weight": model.norm}
    if model.head is not None:
        weights["lm_head.weight"] = model.head.weight
    for i, layer in enumerate(model.layers):
        assert isinstance(layer, LeanLayer)
        names = {f"self_attn.{n}_proj": w for n, w in zip("qkv", layer.qkv.weight.chunk(3), strict=True)}
        names |= {
            f"mlp.{n}_proj": w for n, w in zip(("gate", "up"), layer.gate_up.weight.chunk(2), strict=True)
        }
        names |= {"self_attn.o_proj": layer.out.weight, "mlp.down_proj": layer.down.weight}
        names |= {"input_layernorm": layer.attention_norm, "post_attention_layernorm": layer.mlp_norm}
        weights |= {f"model.layers.{i}.{name}.weight": w for name, w in names.items()}
    return {name: w.detach().clone().contiguous() for name, w in weights.items()}


def export(model: LeanLlama, recipe: RecipeConfig, directory: Path, *, facts: dict[str, Any]) -> None:
    """Write config, safetensors, tokenizer and ``recipe.json`` {recipe, facts} into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    llama_config(recipe).save_pretrained(directory)
    GenerationConfig(bos_token_id=BOS_ID, eos_token_id=EOS_ID, pad_token_id=PAD_ID).save_pretrained(directory)
    save_file(hf_state_dict(model), directory / "model.safetensors", metadata={"format": "pt"})
    char_tokenizer(recipe.max_positions).save_pretrained(directory)
    content = {"recipe": recipe.model_dump(mode="json"), "facts": facts}
    (directory / "recipe.json").write_text(json.dumps(content, indent=2) + "\n")
