"""Numbers on their way between replicas: float32, 8 bits or 4 bits a weight.

A block of ``BLOCK`` weights shares one float32 scale, its largest magnitude a. The error of one number x:

* 8 bits: at most a / 254 (integers -127..127 times a / 127, rounded to the nearest);
* 4 bits (a sign and three exponent bits: 0, a/64, ..., a/2, a): at most the larger of |x| / 3 and a / 128.
"""

import torch

BLOCK = 256
LEVELS = 127
OCTAVES = 7
"""Magnitudes of a 4-bit number besides 0."""


def encoded(values: torch.Tensor, bits: int) -> torch.Tensor:
    """[bytes] uint8 of float32 ``values`` [n]."""
    if bits == 32:
        return values.contiguous().view(torch.uint8)
    blocks = _blocks(values)
    scales = blocks.abs().amax(dim=1, keepdim=True)
    shares = blocks / torch.where(scales > 0, scales, 1.0)
    if bits == 8:
        codes = (shares * LEVELS).round().to(torch.int8).view(torch.uint8)
    else:
        codes = _packed(_nibbles(shares))
    return torch.cat([scales.reshape(-1).view(torch.uint8), codes.reshape(-1)])


def decoded(code: torch.Tensor, bits: int, size: int) -> torch.Tensor:
    """[size] float32 of what ``encoded`` gave."""
    if bits == 32:
        return code.view(torch.float32)
    count = -(-size // BLOCK)
    scales = code[: 4 * count].view(torch.float32)[:, None]
    codes = code[4 * count :]
    if bits == 8:
        shares = codes.view(torch.int8).float().reshape(count, BLOCK) / LEVELS
    else:
        shares = _shares(torch.stack([codes & 15, codes >> 4], dim=1).reshape(count, BLOCK))
    return (shares * scales).reshape(-1)[:size]


def encoded_bytes(size: int, bits: int) -> int:
    """Bytes of ``size`` encoded numbers."""
    return 4 * size if bits == 32 else -(-size // BLOCK) * (4 + BLOCK * bits // 8)


def _blocks(values: torch.Tensor) -> torch.Tensor:
    """[blocks, BLOCK], filled up with zeros."""
    missing = -len(values) % BLOCK
    return torch.nn.functional.pad(values, (0, missing)).reshape(-1, BLOCK)


def _nibbles(shares: torch.Tensor) -> torch.Tensor:
    """uint8 0..15 of numbers in -1..1: bit 3 is the sign, the others are 0 for 0 and k for
    2 ** (k - OCTAVES)."""
    magnitude = shares.abs()
    # Between 2^e and 2^(e + 1) the middle is 1.5 * 2^e: what is above belongs to the upper one.
    exponent = torch.floor(torch.log2(magnitude.clamp_min(2.0**-20) / 1.5)) + 1
    index = (exponent + OCTAVES).clamp(1, OCTAVES)
    index = torch.where(magnitude < 2.0 ** (-OCTAVES), 0.0, index)
    return index.to(torch.uint8) | torch.where(shares < 0, 8, 0).to(torch.uint8)


def _shares(nibbles: torch.Tensor) -> torch.Tensor:
    index = (nibbles & 7).float()
    magnitude = torch.where(index > 0, torch.exp2(index - OCTAVES), 0.0)
    return torch.where((nibbles & 8) > 0, -magnitude, magnitude)


def _packed(nibbles: torch.Tensor) -> torch.Tensor:
    """Two of them in a byte, the first one low."""
    pairs = nibbles.reshape(-1, 2)
    return pairs[:, 0] | (pairs[:, 1] << 4)
