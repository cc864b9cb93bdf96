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


@contextmanager
def loadable(model: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Inside the block ``model.load_weights`` may be called; afterwards the model computes with what it
    loaded.

    ``dtype`` is the model's. If the block fails, the model is unusable.
    """
    packed = list(_packed_experts(model))
    for experts, layer in packed:
        _unpack(experts, layer)
    yield
    for experts, layer in packed:
        experts.process_weights_after_loading(layer)
    deferred: list[Any] = [module for module in model.modules() if is_deferred_attention_layer(module)]
    for attention in deferred:
        attention.process_weights_after_loading(dtype)


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
