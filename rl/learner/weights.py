"""The model's weights under their checkpoint names: whole under ZeRO-3, merged under LoRA, a few at a time.

Persistent buffers are weights too: the router bias of GLM-4-MoE and DeepSeek-V3 is one. No gradient reaches
them, so they stay the base's; they travel and are exported like the rest.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from rl.learner.names import to_checkpoint

LAYER = re.compile(r"^(.*\.(?:layers|h|blocks)\.\d+)\.")
"""Decoder layers: what is gathered together under ZeRO-3."""
LORA_PART = re.compile(r"\.lora_[A-Za-z_]+\.")


def checkpoint_layout(causal_lm: nn.Module) -> list[tuple[str, str, tuple[int, ...]]]:
    """(name, dtype name, shape) of every checkpoint tensor, in the order of ``iterate_weights``; tied weights
    appear once."""
    own = dict(_base_tensors(causal_lm))
    items = []
    for names, _ in _layer_groups(causal_lm, own):
        empty = {hf_name(name): _without_data(own[name]) for name in names}
        for name, tensor in to_checkpoint(causal_lm, empty).items():
            items.append((name, str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape)))
    return items


def iterate_weights(causal_lm: nn.Module, *, gather: bool) -> Iterator[tuple[str, torch.Tensor]]:
    """(checkpoint name, whole tensor) of every checkpoint tensor, merged with its adapter.

    The tensor is valid only until the next one is asked for. With ``gather`` (ZeRO-3) this is a collective:
    every rank must run it to the end, and at most one decoder layer is whole at a time. Adapters and base are
    bit for bit what they were afterwards.
    """
    own = dict(_base_tensors(causal_lm))
    for names, modules in _layer_groups(causal_lm, own):
        parameters = [p for module in modules for p in module.parameters(recurse=False)]
        with torch.no_grad(), gathered(parameters, enabled=gather), _merged(modules):
            yield from to_checkpoint(causal_lm, {hf_name(name): own[name].detach() for name in names}).items()


def gathered(parameters: list[nn.Parameter], *, enabled: bool) -> AbstractContextManager[Any]:
    """Inside the block these parameters are whole. A collective if ``enabled`` (ZeRO-3), else nothing."""
    if not enabled:
        return nullcontext()
    from deepspeed.runtime.zero import GatheredParameters

    context: AbstractContextManager[Any] = GatheredParameters(parameters, modifier_rank=None)
    return context


def has_adapters(causal_lm: nn.Module) -> bool:
    """True if weights are merged with LoRA parts on their way out."""
    return any(LORA_PART.search(name) for name, _ in causal_lm.named_parameters())


def hf_name(name: str) -> str:
    """The module's own name of a parameter that PEFT may have wrapped."""
    return name.replace(".base_layer.", ".")


def _base_tensors(causal_lm: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and persistent buffers: what a checkpoint holds. No adapter parts; tied ones under their
    first name only."""
    for name, parameter in causal_lm.named_parameters():
        if not LORA_PART.search(name):
            yield name, parameter
    derived = {
        f"{prefix}.{name}".removeprefix(".")
        for prefix, module in causal_lm.named_modules()
        for name in module._non_persistent_buffers_set
    }
    for name, buffer in causal_lm.named_buffers():
        if name not in derived:
            yield name, buffer


def _without_data(tensor: torch.Tensor) -> torch.Tensor:
    """A meta tensor of the whole one's shape and dtype."""
    return torch.empty(tuple(getattr(tensor, "ds_shape", tensor.shape)), dtype=tensor.dtype, device="meta")


def _layer_groups(causal_lm: nn.Module, own: Iterable[str]) -> Iterator[tuple[list[str], list[nn.Module]]]:
    """(tensor names, modules that must be whole to read them) of one decoder layer, or of one tensor outside
    them; of ``own``.

    A LoRA layer's modules include its adapters, since its merged weight depends on them.
    """
    groups: dict[str, list[str]] = {}
    for name in own:
        layer = LAYER.match(name)
        groups.setdefault(layer.group(1) if layer else name, []).append(name)
    for key, names in groups.items():
        inside_layer = key != names[0]
        owner = key if inside_layer else key.rpartition(".")[0].removesuffix(".base_layer")
        yield names, list(causal_lm.get_submodule(owner).modules())


@contextmanager
def _merged(modules: list[nn.Module]) -> Iterator[None]:
    """LoRA layers among ``modules`` hold their merged weight inside the block.

    PEFT merges into a new tensor (``safe_merge``); the old one is put back afterwards, because subtracting
    the adapter again would leave rounding errors in the base, a little more with every publication.
    """
    layers: list[Any] = [module for module in modules if is_lora_layer(module)]
    saved = [(layer, layer.get_base_layer().weight.data) for layer in layers]
    for layer in layers:
        layer.merge(safe_merge=True)
    try:
        yield
    finally:
        for layer, original in saved:
            layer.unmerge()
            layer.get_base_layer().weight.data = original


def is_lora_layer(module: Any) -> bool:
    """True for a layer that PEFT has wrapped."""
    return hasattr(module, "lora_A") and hasattr(module, "get_base_layer")
