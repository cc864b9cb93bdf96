"""Make again what vLLM derives from the weights when it loads a model, whenever weights are pushed into it.

On a CPU the experts of a mixture are packed for a grouped product: a push would write plain values into the
packed tensor, often of the same shape. Latent attention (MLA) absorbs ``kv_b_proj`` into two other matrices.
vLLM computes both after the first load.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from vllm.model_executor.layers.attention import is_deferred_attention_layer
from vllm.model_executor.layers.fused_moe.experts.cpu_moe import CPUUnquantizedExperts


class Derived:
    """The parts of a loaded model that hold something computed from its weights."""

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        """``dtype`` is the model's."""
        self._dtype = dtype
        self._packed = list(_packed_experts(model))
        self._deferred: list[Any] = [one for one in model.modules() if is_deferred_attention_layer(one)]

    @property
    def moves(self) -> bool:
        """True if weights lie elsewhere after every ``loadable``."""
        return bool(self._packed)

    @contextmanager
    def loadable(self) -> Iterator[None]:
        """Inside the block weights may be loaded; afterwards the model computes with what was loaded.

        If the block fails, the model is unusable.
        """
        for experts, layer in self._packed:
            _unpack(experts, layer)
        yield
        for experts, layer in self._packed:
            experts.process_weights_after_loading(layer)
        for attention in self._deferred:
            attention.process_weights_after_loading(self._dtype)


def _packed_experts(model: nn.Module) -> Iterator[tuple[Any, nn.Module]]:
    """(kernel, layer that holds its weights) of every mixture whose weights were packed."""
    for layer in model.modules():
        kernel = getattr(getattr(layer, "quant_method", None), "moe_kernel", None)
        experts = getattr(kernel, "fused_experts", None)
        if isinstance(experts, CPUUnquantizedExperts):
            yield experts, layer


def _unpack(experts: Any, layer: Any) -> None:
    """Empty tensors of the shapes that vLLM loads into; the packed ones may be padded."""
    inner = experts.moe_config.intermediate_size_per_partition
    number, _, hidden = layer.w13_weight.shape
    shapes = {
        "w13_weight": (number, 2 * inner, hidden),
        "w2_weight": (number, hidden, inner),
        "w13_bias": (number, 2 * inner),
    }
    for name, shape in shapes.items():
        parameter = getattr(layer, name, None)
        if parameter is not None:
            parameter.data = parameter.data.new_empty(shape)
