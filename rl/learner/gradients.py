"""The accumulated gradients of a DeepSpeed engine: are they finite, how large are they, and how to throw them
away.

DeepSpeed keeps them in a different place at every ZeRO stage, and in float32 at stage 0 it applies a NaN
without a word, so we look before it steps.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist


def reduce_unmanaged(engine: Any) -> None:
    """Average the gradients over ranks at ZeRO-0, where the step would otherwise do it too late to look at
    them."""
    if engine.zero_optimization_stage() > 0:
        return
    if dist.get_world_size() > 1:
        engine.buffered_allreduce_fallback()
        return
    # One rank's average is its own gradient: DeepSpeed would copy all of them twice. It leaves none out.
    for parameter in engine.module.parameters():
        if parameter.requires_grad and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)


def accumulated_gradients(engine: Any) -> list[torch.Tensor]:
    """Return the gradients that this rank holds before a step: stage 0 the reduced ones, stage 1 its own
    unreduced ones, 2-3 its reduced shard.

    The shards of stages 2-3 do not overlap, so their squares add up over ranks. Offloaded ones lie in host
    memory.
    """
    optimizer, stage = engine.optimizer, engine.zero_optimization_stage()
    if hasattr(optimizer, "fp32_groups_gradients_flat"):  # bf16 at stage 1 has an optimizer of its own
        return list(optimizer.fp32_groups_gradients_flat)
    if stage < 2:
        # Offloaded bf16 at stage 1 moves each backward's gradient to grad_accum.
        stores = [
            store for p in engine.module.parameters() for store in (p.grad, getattr(p, "grad_accum", None))
        ]
        return [g for g in stores if g is not None]
    if stage == 3 and optimizer.offload_optimizer:
        return list(optimizer._DeepSpeedZeroOptimizer_Stage3__param_id_to_grad_partition.values())
    finished = [
        g
        for group in optimizer.averaged_gradients.values()
        if group is not None
        for g in group
        if g is not None
    ]
    return finished if stage == 3 else finished + list(_stage_2_shard(optimizer))


def _stage_2_shard(optimizer: Any) -> Iterator[torch.Tensor]:
    """This rank's part of every gradient in its partition; of one that crosses the border the rest belongs to
    a neighbour."""
    offloaded = getattr(optimizer, "accumulated_grads_in_cpu", {})
    if offloaded:
        optimizer._wait_for_offload_copies()
    for group, parameters in enumerate(optimizer.params_in_partition):
        rank = dist.get_rank(group=optimizer.real_dp_process_group[group])
        held = optimizer.all_grad_tensors.get(group) or []
        ids = [optimizer.get_param_id(p) for p in parameters]
        whole = (
            dict(zip(ids, held, strict=True)) if held else {i: offloaded[i] for i in ids if i in offloaded}
        )
        for index, gradient in whole.items():
            start = optimizer.grad_start_offset[group][rank][index]
            room = (
                optimizer.partition_size[group]
                - optimizer.grad_partition_insertion_offset[group][rank][index]
            )
            yield gradient.reshape(-1).narrow(0, int(start), int(min(gradient.numel() - start, room)))


def sum_of_squares(gradients: list[torch.Tensor], device: torch.device) -> torch.Tensor:
    """[] float64; NaN or infinite exactly when some gradient is (or its square overflows, which must not be
    applied either)."""
    if not gradients:
        return torch.zeros((), dtype=torch.float64, device=device)
    norms = torch.stack(torch._foreach_norm(gradients))
    return norms.double().square().sum().to(device)


def reported_norm(engine: Any, measured: float) -> float:
    """The gradient's norm after a step: DeepSpeed's, or ``measured`` where it has none or took it of Muon's
    updates."""
    muon = any(group.get("use_muon") for group in engine.basic_optimizer.param_groups)
    late = (
        muon
        and engine.zero_optimization_stage() > 0
        and not hasattr(engine.optimizer, "fp32_groups_gradients_flat")
    )
    norm = engine.get_global_grad_norm()
    return measured if norm is None or late else float(norm)


def discard_gradients(engine: Any) -> None:
    """Forget the accumulated gradients, so that the next backward starts from zero; weights and optimizer
    stay untouched."""
    optimizer, stage = engine.optimizer, engine.zero_optimization_stage()
    if hasattr(optimizer, "clear_hp_grads"):
        optimizer.clear_hp_grads()
        optimizer.clear_lp_grads()
    elif stage == 0:
        engine.zero_grad()
    elif stage == 3:
        optimizer.zero_grad(set_to_none=True)
        if optimizer.offload_optimizer:
            optimizer.reset_cpu_buffers()
        else:
            optimizer.averaged_gradients = {}
    else:
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.averaged_gradients:
            optimizer.averaged_gradients[group] = None
        for group in optimizer.all_grad_tensors:
            optimizer.all_grad_tensors[group] = None
        if optimizer.cpu_offload:
            _forget_offloaded(optimizer)


def _forget_offloaded(optimizer: Any) -> None:
    """As DeepSpeed does at the start of a step: the next backward overwrites the host buffers instead of
    adding to them."""
    from deepspeed.runtime.zero.stage_1_and_2 import INITIAL_MICRO_STEP_ID

    optimizer.micro_step_id = INITIAL_MICRO_STEP_ID
    optimizer._offload_accumulated_param_ids = set()
    optimizer.reset_cpu_buffers()
