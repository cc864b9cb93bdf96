"""The shape of a model from its config and the names and shapes of its tensors.

See docs/methods/cost.md#flops-of-training.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from planner.cost.flops import ModelShape
from rl.records.cost.flops import ModelCost
from rollout.checkpoint_shapes import checkpoint_shapes

LOOKED_UP = re.compile(
    r"(^|\.)(embed_tokens|wte|word_embeddings|embed_in|tok_embeddings"
    r"|wpe|embed_positions|position_embeddings)\.weight$"
)
"""Tables of which a token takes a row: of tokens and of positions."""
HEAD = re.compile(r"(^|\.)(lm_head|embed_out|output)\.weight$")
EXPERT = re.compile(r"\.experts\.")
LAYER = re.compile(r"\.(?:layers|h|blocks)\.(\d+)\.")
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
CHOSEN = ("num_experts_per_tok", "moe_top_k", "top_k_experts")
NEEDED = ("num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size")
FULL, SLIDING = "full_attention", "sliding_attention"


def read_model_cost(directory: Path, *, trust: bool = False, lora: Any = None) -> ModelCost | None:
    """The model of a checkpoint directory; None where it has no safetensors, whose headers name every tensor.

    Args:
        directory: with config.json and weights.
        trust: the model's own code may run.
        lora: ``learner.lora``, if an adapter is trained.
    """
    shapes = checkpoint_shapes(directory)
    if not shapes:
        return None
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(directory, trust_remote_code=trust)
    return model_cost(config.get_text_config(), shapes, lora=lora)


def model_cost(config: Any, shapes: Mapping[str, tuple[int, ...]], *, lora: Any = None) -> ModelCost:
    """The cost of a model.

    Args:
        config: transformers' config of the text model.
        shapes: name -> shape of every tensor of the checkpoint.
        lora: has ``r`` and ``target_modules`` (``all-linear`` or names); None without an adapter.

    Raises:
        ValueError: the config does not say how many layers, heads, ... there are.
    """
    lacking = [name for name in NEEDED if getattr(config, name, None) is None]
    if lacking:
        raise ValueError(f"the model's config has no {', '.join(lacking)}")
    active = _share_of_experts(config)
    params = embeddings = adapter = 0.0
    for name, shape in shapes.items():
        size = float(math.prod(shape))
        if len(shape) < 2 or name.endswith("bias") or _beyond(name, config):
            continue  # norms, biases and masks are no matrix products
        if LOOKED_UP.search(name) or HEAD.search(name):
            embeddings += size
            continue
        params += size * (active if EXPERT.search(name) else 1.0)
        if lora is not None and len(shape) == 2 and _adapted(name, lora.target_modules):
            adapter += lora.r * sum(shape)
    return ModelCost(
        shape=ModelShape(
            params=params,
            layers=config.num_hidden_layers,
            attention_width=_attention_width(config),
            kv_width=_kv_heads(config) * _head_size(config),
            width=config.hidden_size,
            vocabulary=config.vocab_size,
            embedding_params=embeddings,
        ),
        windows=_windows(config),
        adapter=adapter,
    )


def _share_of_experts(config: Any) -> float:
    """Experts that a token takes, as a share of all."""
    experts, chosen = _first(config, EXPERTS), _first(config, CHOSEN)
    return chosen / experts if experts and chosen else 1.0


def _first(config: Any, names: tuple[str, ...]) -> int | None:
    return next((value for name in names if (value := getattr(config, name, None))), None)


def _beyond(name: str, config: Any) -> bool:
    """True of layers after the last one, which predict further tokens in pretraining and do not run."""
    found = LAYER.search(name)
    return found is not None and int(found[1]) >= config.num_hidden_layers


def _adapted(name: str, targets: tuple[str, ...] | str) -> bool:
    return isinstance(targets, str) or name.removesuffix(".weight").rpartition(".")[2] in targets


def _head_size(config: Any) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def _kv_heads(config: Any) -> int:
    return getattr(config, "num_key_value_heads", None) or config.num_attention_heads


def _attention_width(config: Any) -> int:
    """Heads x head size; with latent attention, whose keys and values differ in size, their mean."""
    rotary, plain = getattr(config, "qk_rope_head_dim", None), getattr(config, "qk_nope_head_dim", None)
    if rotary and plain:
        return config.num_attention_heads * (rotary + plain + config.v_head_dim) // 2
    return config.num_attention_heads * _head_size(config)


def _windows(config: Any) -> tuple[int | None, ...]:
    """For each layer with softmax attention its window; linear attention costs what its weights do."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        slides = window is not None and getattr(config, "use_sliding_window", True)
        return (window if slides else None,) * config.num_hidden_layers
    return tuple(None if kind == FULL else window for kind in kinds if kind in (FULL, SLIDING))
