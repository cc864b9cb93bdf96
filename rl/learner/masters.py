"""The float32 masters of bfloat16 weights, begun where they belong.

DeepSpeed makes its masters of the rounded weights. Then every one of them stands in the middle of the
interval that rounds to the same bfloat16 number, and has to cross half of it before the weight that computes,
and is served, moves at all: under updates much smaller than that the policy stands still for many of them
(``benchmarks/learning/bf16_masters.py``). A float32 number is the bfloat16 number that it rounds to, and 16
low bits (``low_bits``). A master begins with the low bits

* of the checkpoint, where its files hold more than bfloat16; else,
* where ``learner.dither``, drawn evenly from all that round to the same weight. A small update then
  moves a weight with the probability that it is of one step of bfloat16: right on average over weights, as
  in stochastic rounding, but drawn once. What computes and is served before the first update is the
  checkpoint, bit for bit.

Float32 weights of a bfloat16 checkpoint stand in the same place when engines round them, and begin likewise.
"""

import json
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from torch import nn

from rollout.checkpoint_shapes import checkpoint_files

ATTRIBUTE = "_t2rl_low_bits"
HALF = 1 << 15
"""Low bits on either side that still round to the same bfloat16 number; at HALF itself it is a tie."""


def low_bits(exact: torch.Tensor) -> torch.Tensor:
    """int16: how far the float32 numbers are from their bfloat16 roundings, counted in float32 numbers."""
    rounded = exact.bfloat16().view(torch.int16).int() << 16
    return (exact.float().view(torch.int32) - rounded).clamp_(-HALF, HALF - 1).short()


def with_low_bits(rounded: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
    """The float32 numbers of which ``low_bits`` gave ``low``, from their roundings."""
    high = rounded.bfloat16().view(torch.int16).int() << 16
    return (high + low.to(high.device)).view(torch.float32)


def drawn_low_bits(rounded: torch.Tensor, *, seed: int) -> torch.Tensor:
    """int16 drawn evenly among those that round to the same number; 0 for a weight of 0, whose neighbours are
    near enough."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.empty(rounded.shape, dtype=torch.int16).random_(1 - HALF, HALF, generator=generator)
    return drawn.masked_fill_((rounded == 0).cpu(), 0)


def stored_in_bfloat16(model_path: Path) -> bool:
    """True if every number in the checkpoint's safetensors files is in bfloat16 (or narrower): loading it in
    float32 would tell nothing more."""
    stored = set()
    for path in checkpoint_files(model_path):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        stored |= {entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
    return bool(stored) and not stored & {"F64", "F32", "F16"}


def keep_low_bits(model: nn.Module, exact: nn.Module) -> None:
    """Note on every trainable parameter of the bfloat16 ``model`` what its rounding took from ``exact``, the
    same model in float32; both whole, or both in ZeRO-3's parts."""
    whole = dict(exact.named_parameters())
    for name, parameter in model.named_parameters():
        setattr(parameter, ATTRIBUTE, low_bits(getattr(whole[name], "ds_tensor", whole[name]).detach()))


@torch.no_grad()
def dither_weights(model: nn.Module, *, seed: int, rank: int) -> None:
    """Draw the low bits of float32 weights that have none, in place; of this ``rank``'s parts under
    ZeRO-3."""
    for name, parameter in model.named_parameters():
        own = getattr(parameter, "ds_tensor", parameter).data
        if not bool(low_bits(own).any()):
            own.copy_(with_low_bits(own, drawn_low_bits(own, seed=_seed_of(name, seed, rank))))


def _seed_of(name: str, seed: int, rank: int) -> int:
    return (seed * 1000 + rank) ^ crc32(name.encode())


def begin_masters(engine: Any, *, dither: bool, seed: int) -> None:
    """Give DeepSpeed's masters the low bits that ``keep_low_bits`` noted, or, with ``dither``, drawn ones
    where none were, or all are 0."""
    from deepspeed import comm
    from deepspeed.utils import (
        safe_get_local_fp32_param,
        safe_set_full_fp32_param,
        safe_set_local_fp32_param,
    )

    in_parts = engine.zero_optimization_stage() == 3
    rank = comm.get_rank() if in_parts else 0
    for name, parameter in engine.module.named_parameters():
        low = parameter.__dict__.pop(ATTRIBUTE, None)
        if not parameter.requires_grad:
            continue
        if low is None or not bool(low.any()):
            low = None
            if not dither:
                continue
        # ZeRO-3 pads the last rank's part; of the padding nothing is read.
        rounded = safe_get_local_fp32_param(parameter) if in_parts else parameter.detach()
        if low is None:
            low = drawn_low_bits(rounded, seed=_seed_of(name, seed, rank))
        value = with_low_bits(rounded, low.reshape(rounded.shape))
        (safe_set_local_fp32_param if in_parts else safe_set_full_fp32_param)(parameter, value)
