"""The model's weights under their Hugging Face names: whole under ZeRO-3, merged under LoRA, a few at a time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

LAYER = re.compile(r"^(.*\.(?:layers|h|blocks)\.\d+)\.")
"""Decoder layers: what is gathered together under ZeRO-3."""
LORA_PART = re.compile(r"\.lora_[A-Za-z_]+\.")


def checkpoint_layout(causal_lm: nn.Module) -> list[tuple[str, str, tuple[int, ...]]]:
    """(name, dtype name, shape) of every checkpoint tensor, in the order of ``iterate_weights``; tied weights appear once."""
    items = []
    for name, parameter in _base_parameters(causal_lm):
        shape = tuple(getattr(parameter, "ds_shape", parameter.shape))
        items.append((hf_name(name), str(parameter.dtype).removeprefix("torch."), shape))
    return items


def iterate_weights(causal_lm: nn.Module, *, gather: bool) -> Iterator[tuple[str, torch.Tensor]]:
    """(Hugging Face name, whole tensor) of every checkpoint tensor, merged with its adapter.

    The tensor is valid only until the next one is asked for. With ``gather`` (ZeRO-3) this is a collective: every rank must run
    it to the end, and at most one decoder layer is whole at a time. Adapters and base are bit for bit what they were afterwards.
    """
    from deepspeed.runtime.zero import GatheredParameters

    for names, modules in _layer_groups(causal_lm):
        parameters = [p for module in modules for p in module.parameters(recurse=False)]
        with torch.no_grad(), GatheredParameters(parameters, modifier_rank=None, enabled=gather), _merged(modules):
            current = dict(causal_lm.named_parameters())
            for name in names:
                yield hf_name(name), current[name].data


def has_adapters(causal_lm: nn.Module) -> bool:
    """True if weights are merged with LoRA parts on their way out."""
    return any(LORA_PART.search(name) for name, _ in causal_lm.named_parameters())


def hf_name(name: str) -> str:
    """Checkpoint name of a parameter that PEFT may have wrapped."""
    return name.replace(".base_layer.", ".")


def _base_parameters(causal_lm: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Parameters that a checkpoint holds: no adapter parts. ``named_parameters`` lists tied ones under their first name only."""
    for name, parameter in causal_lm.named_parameters():
        if not LORA_PART.search(name):
            yield name, parameter


def _layer_groups(causal_lm: nn.Module) -> Iterator[tuple[list[str], list[nn.Module]]]:
    """(parameter names, modules that must be whole to read them) of one decoder layer, or of one parameter outside the layers.

    A LoRA layer's modules include its adapters, since its merged weight depends on them.
    """
    groups: dict[str, list[str]] = {}
    for name, _ in _base_parameters(causal_lm):
        layer = LAYER.match(name)
        groups.setdefault(layer.group(1) if layer else name, []).append(name)
    for key, names in groups.items():
        inside_layer = key != names[0]
        owner = key if inside_layer else key.rpartition(".")[0].removesuffix(".base_layer")
        yield names, list(causal_lm.get_submodule(owner).modules())


@contextmanager
def _merged(modules: list[nn.Module]) -> Iterator[None]:
    """LoRA layers among ``modules`` hold their merged weight inside the block.

    PEFT merges into a new tensor (``safe_merge``); the old one is put back afterwards, because subtracting the adapter again would
    leave rounding errors in the base, a little more with every publication.
    """
    saved = [(m, m.get_base_layer().weight.data) for m in modules if is_lora_layer(m)]
    for module, _ in saved:
        module.merge(safe_merge=True)
    try:
        yield
    finally:
        for module, original in saved:
            module.unmerge()
            module.get_base_layer().weight.data = original


def is_lora_layer(module: Any) -> bool:
    """True for a layer that PEFT has wrapped."""
    return hasattr(module, "lora_A") and hasattr(module, "get_base_layer")
