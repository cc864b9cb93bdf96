"""Attention over packed rows on a GPU: torch's ``varlen_attn`` (its flash attention kernels), under a name of
ours in transformers.

No package beside torch is needed. On CPU packed rows go through torch's dense attention under the
block-diagonal mask that transformers derives from ``position_ids``: exact, and as slow as the square of the
row. **The kernel has not run on a GPU here.**
"""

from typing import Any

import torch
from torch import nn

from rl.learner.shared_prompts import shared_mask

NAME = "t2rl_varlen"
"""In transformers' table of attentions. Its table of masks must not have it: then a model makes no mask,
where it would otherwise read the positions back from the device in every forward pass and fill a square of
the row's length."""
UNKNOWN = ("softcap", "s_aux", "position_bias")
"""Arguments that models give an attention and ``varlen_attn`` cannot serve: soft-capped scores, sinks,
biases."""
LARGEST_HEAD = 256
"""The kernels' limit on a head's size, which must be a multiple of 8."""
KNOWN_LAYERS = ("full_attention", "sliding_attention")


def register() -> None:
    """Make ``attn_implementation=NAME`` known to transformers. Idempotent."""
    from transformers.modeling_utils import AttentionInterface

    AttentionInterface.register(NAME, attend)


def row_arguments(
    config: Any, input_ids: torch.Tensor, position_ids: torch.Tensor | None, boundaries: torch.Tensor | None
) -> dict[str, Any]:
    """Keyword arguments of a transformers model or trunk with this config, for rows as ``MicroBatch``
    describes them.

    No cache and no attention mask but that of shared prompts: with either, transformers falls out of the
    exact causal path for packed rows (off by nats, silently). The boundaries stay on the host until here, so
    that no layer waits for the device to learn the longest sample.
    """
    arguments: dict[str, Any] = {"input_ids": input_ids, "use_cache": False}
    if position_ids is not None:
        arguments["position_ids"] = position_ids
    if boundaries is not None and boundaries.ndim == 2:
        arguments["attention_mask"] = shared_mask(boundaries.to(input_ids.device, non_blocking=True))
    elif config._attn_implementation == NAME:
        if boundaries is None:  # padded rows: each is one sample, and what follows a token cannot change it
            rows, length = input_ids.shape
            boundaries = torch.arange(rows + 1, dtype=torch.int32) * length
        longest = int(boundaries.diff().max())
        moved = boundaries.to(input_ids.device, non_blocking=True)
        arguments |= {
            "cu_seq_lens_q": moved,
            "cu_seq_lens_k": moved,
            "max_length_q": longest,
            "max_length_k": longest,
        }
    return arguments


def attend(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **other: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention interface: query [B, Hq, L, D], key and value [B, Hk, L, D] to [B, L, Hq, D].

    The boundaries are those of the samples in all B x L positions.
    ``sliding_window`` W lets a token see itself and the W - 1 before it. ValueError for what the kernel
    cannot do.
    """
    asked = [name for name in UNKNOWN if other.get(name) is not None]
    if asked or dropout or attention_mask is not None:
        what = asked[0] if asked else "dropout" if dropout else "attention_mask"
        raise ValueError(
            f"learner.packing: varlen cannot do {what}, which {type(module).__name__} asks for; use buckets"
        )
    if cu_seq_lens_q is None or max_length_q is None:
        raise ValueError(
            f"learner.packing: {type(module).__name__} does not hand the packed boundaries to its attention;"
            " use buckets"
        )
    from torch.nn.attention.varlen import varlen_attn

    rows, _, length, _ = query.shape
    out = varlen_attn(
        query.transpose(1, 2).flatten(0, 1),
        key.transpose(1, 2).flatten(0, 1),
        value.transpose(1, 2).flatten(0, 1),
        cu_seq_lens_q,
        cu_seq_lens_q,
        max_length_q,
        max_length_q,
        scale=scaling,
        window_size=(-1 if sliding_window is None else sliding_window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    assert isinstance(out, torch.Tensor)  # a tuple only for who asks for more
    return out.unflatten(0, (rows, length)), None


def refusal(config: Any) -> str | None:
    """Why a model with this transformers config cannot run on packed rows through ``varlen_attn``; None if it
    can."""
    layers = sorted(set(getattr(config, "layer_types", None) or ()) - set(KNOWN_LAYERS))
    if layers:
        return f"its layers of type {', '.join(layers)} would mix the samples of a row"
    if getattr(config, "attention_chunk_size", None):
        return "its attention is in chunks"
    if getattr(config, "attn_logit_softcapping", None):
        return "its attention scores are soft-capped"
    heads = getattr(config, "num_attention_heads", 0)
    size = getattr(config, "head_dim", None) or (config.hidden_size // heads if heads else 0)
    if size % 8 or size > LARGEST_HEAD:
        return f"its heads have {size} dimensions, where a multiple of 8 up to {LARGEST_HEAD} is possible"
    sizes = {getattr(config, name, None) for name in ("qk_head_dim", "v_head_dim")} - {None}
    if len(sizes) > 1:
        return "its keys and values differ in size"
    return None
