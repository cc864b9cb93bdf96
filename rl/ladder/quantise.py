"""Weight-only quantisation, simulated: weights rounded to a grid for each output channel, arithmetic in full
precision."""

import torch
from torch import Tensor, nn


def fake_quantise(weight: Tensor, bits: int) -> Tensor:
    """[out, in] rounded to symmetric integers of ``bits`` bits with one scale for each output channel, and
    back.

    Raises:
        ValueError: fewer than 2 bits.
    """
    if bits < 2:
        raise ValueError(f"bits: {bits} leaves no grid; use 8 or 4")
    top = 2 ** (bits - 1) - 1
    scale = weight.abs().amax(dim=1, keepdim=True) / top
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return torch.round(weight / scale).clamp(-top, top) * scale


@torch.no_grad()
def quantise_model(model: nn.Module, bits: int) -> int:
    """Round every linear layer in place, except the output head (tied to the embedding, which stays in full
    precision).

    Returns:
        How many weights were rounded.
    """
    rounded = 0
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and not name.endswith("lm_head"):
            module.weight.copy_(fake_quantise(module.weight, bits))
            rounded += module.weight.numel()
    return rounded
