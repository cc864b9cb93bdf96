"""The accumulated gradients of a DeepSpeed engine: are they finite, how large are they, and how to throw them away.

DeepSpeed keeps them in a different place at every ZeRO stage, and in float32 at stage 0 it applies a NaN without a word, so we look
before it steps.
"""

from typing import Any

import torch


def reduce_unmanaged(engine: Any) -> None:
    """Average the gradients over ranks at ZeRO-0, where the step would otherwise do it too late to look at them."""
    if engine.zero_optimization_stage() == 0:
        engine.buffered_allreduce_fallback()


def accumulated_gradients(engine: Any) -> list[torch.Tensor]:
    """What this rank holds before a step: stage 0 the reduced gradients, stage 1 its own unreduced ones, 2-3 its reduced shard."""
    optimizer, stage = engine.optimizer, engine.zero_optimization_stage()
    if hasattr(optimizer, "fp32_groups_gradients_flat"):  # bf16 at stage 1 has an optimizer of its own
        return list(optimizer.fp32_groups_gradients_flat)
    if stage < 2:
        stores = [p.grad for p in engine.module.parameters()]
        return [g for g in stores if g is not None]
    grouped = list(optimizer.averaged_gradients.values())
    if stage == 2:
        grouped += list(optimizer.all_grad_tensors.values())
    return [g for group in grouped if group is not None for g in group if g is not None]


def sum_of_squares(gradients: list[torch.Tensor], device: torch.device) -> torch.Tensor:
    """[] float64; NaN or infinite exactly when some gradient is (or its square overflows, which must not be applied either)."""
    if not gradients:
        return torch.zeros((), dtype=torch.float64, device=device)
    norms = torch.stack(torch._foreach_norm(gradients))
    return norms.double().square().sum()


def discard_gradients(engine: Any) -> None:
    """Forget the accumulated gradients, so that the next backward starts from zero; weights and optimizer stay untouched."""
    optimizer, stage = engine.optimizer, engine.zero_optimization_stage()
    if hasattr(optimizer, "clear_hp_grads"):
        optimizer.clear_hp_grads()
        optimizer.clear_lp_grads()
    elif stage == 0:
        engine.zero_grad()
    elif stage == 3:
        optimizer.zero_grad(set_to_none=True)
        optimizer.averaged_gradients = {}
    else:
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.averaged_gradients:
            optimizer.averaged_gradients[group] = None
        for group in optimizer.all_grad_tensors:
            optimizer.all_grad_tensors[group] = None
