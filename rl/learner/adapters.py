"""The adapter by itself: what an adapter-only push sends, and PEFT's files of it."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from rl.learner.weights import gathered, is_lora_layer

if TYPE_CHECKING:
    from peft import PeftModel

ADAPTER = "default"
"""PEFT's name of the only adapter."""
PEFT_PREFIX = "base_model.model."
"""The prefix that PEFT's files put before the base model's own names."""


def adapter_layers(causal_lm: nn.Module) -> list[tuple[str, Any]]:
    """(Hugging Face module name, PEFT layer) of every adapted module."""
    return [(name, module) for name, module in causal_lm.named_modules() if is_lora_layer(module)]


def adapter_layout(causal_lm: nn.Module) -> list[tuple[str, str, tuple[int, ...]]]:
    """(name, dtype name, shape) of what ``iterate_adapter`` yields, in its order."""
    items = []
    for name, layer in adapter_layers(causal_lm):
        for part in ("lora_A", "lora_B"):
            weight = getattr(layer, part)[ADAPTER].weight
            shape = tuple(getattr(weight, "ds_shape", weight.shape))
            items.append((f"{name}.{part}.weight", str(weight.dtype).removeprefix("torch."), shape))
    return items


def iterate_adapter(causal_lm: nn.Module, *, gather: bool) -> Iterator[tuple[str, torch.Tensor]]:
    """(MODULE.lora_A.weight, [r, in]) and (MODULE.lora_B.weight, [out, r]) of every adapted module, whole, of
    LoRA and rsLoRA.

    B comes multiplied by the layer's scaling (alpha / r, or alpha / sqrt(r) of rsLoRA, arXiv 2312.03732), so
    that the bytes alone say what the adapter computes. Valid until the next one is asked for; with ``gather``
    (ZeRO-3) a collective.
    """
    for name, layer in adapter_layers(causal_lm):
        down, up = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
        with torch.no_grad(), gathered([down, up], enabled=gather):
            yield f"{name}.lora_A.weight", down.data
            yield f"{name}.lora_B.weight", up.data.float() * layer.scaling[ADAPTER]


def save_adapter(
    causal_lm: "PeftModel", directory: Path, *, model_path: str, gather: bool, is_writer: bool
) -> None:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors`` as PEFT does. A collective; only the
    writer rank writes.

    ``peft.PeftModel.from_pretrained(base, directory)`` then computes what this model computes.
    """
    state: dict[str, torch.Tensor] = {}
    for name, layer in adapter_layers(causal_lm):
        own = {n: p for n, p in layer.named_parameters() if not n.startswith("base_layer.")}
        with torch.no_grad(), gathered(list(own.values()), enabled=gather):
            if is_writer:
                state |= {f"{name}.{n}": p.detach().to("cpu", copy=True).contiguous() for n, p in own.items()}
    if not is_writer:
        return
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    named = get_peft_model_state_dict(
        causal_lm, state_dict=state, adapter_name=ADAPTER, save_embedding_layers=False
    )
    save_file(
        {PEFT_PREFIX + name: tensor for name, tensor in named.items()},
        directory / "adapter_model.safetensors",
    )
    config = copy.copy(causal_lm.peft_config[ADAPTER])
    config.inference_mode, config.base_model_name_or_path = True, model_path
    config.save_pretrained(str(directory))
