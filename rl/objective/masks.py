"""Stabilisation masks: which tokens keep their gradient. A new one is a function and a line in ``MASKS``.

A mask maps ``(ratio [T], advantages [T], config)`` to a bounded ratio [T]: the ratio itself, with its
gradient, where the token keeps it, and a constant bound where it does not. So the bounded ratio gives the
value of PPO's surrogate as well, and ``bounded == ratio`` says which tokens are kept.
"""

from collections.abc import Callable

import torch

from rl.config.algorithm import AlgorithmConfig, ClipMask, DualClipMask
from rl.objective.shapes import PerToken
from rollout.user_code import resolve_function


def no_mask(ratio: PerToken, advantages: PerToken, config: AlgorithmConfig) -> PerToken:
    """[T] the ratio, unbounded: every token keeps its gradient."""
    return ratio


def clip(ratio: PerToken, advantages: PerToken, config: AlgorithmConfig) -> PerToken:
    """[T] bounded ratio: at most ``1 + clip_high`` where the advantage is positive, at least ``1 - clip_low``
    elsewhere.

    Times the advantage this is ``min(r A, clip(r) A)`` (Schulman et al. 2017, arXiv 1707.06347, eq. 7);
    clip_high > clip_low is DAPO's clip-higher (Yu et al. 2025, arXiv 2503.14476, eq. 10).
    """
    mask = config.mask
    assert isinstance(mask, ClipMask)
    return torch.where(
        advantages > 0, ratio.clamp(max=1 + mask.clip_high), ratio.clamp(min=1 - mask.clip_low)
    )


def dual_clip(ratio: PerToken, advantages: PerToken, config: AlgorithmConfig) -> PerToken:
    """[T] bounded ratio: as ``clip``, and at most ``dual_clip`` where the advantage is not positive, since
    the plain clip leaves the surrogate unbounded there.

    Times the advantage this is ``max(min(r A, clip(r) A), c A)`` for A < 0 (Ye et al. 2020, arXiv 1912.09729,
    eq. 5).
    """
    mask = config.mask
    assert isinstance(mask, DualClipMask)
    rising = ratio.clamp(max=1 + mask.clip_high)
    falling = ratio.clamp(min=1 - mask.clip_low, max=mask.dual_clip)
    return torch.where(advantages > 0, rising, falling)


MaskFunction = Callable[[PerToken, PerToken, AlgorithmConfig], PerToken]

MASKS: dict[str, MaskFunction] = {"none": no_mask, "clip": clip, "dual_clip": dual_clip}


def resolve_mask(name: str) -> MaskFunction:
    """The mask that ``algorithm.mask`` names: one of ``MASKS``, or outside code (``pkg.module:attr``).

    Raises:
        ValueError: naming the field and the choices.
    """
    return resolve_function("algorithm.mask", name, MASKS)
