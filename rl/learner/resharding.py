"""A checkpoint taken up by ranks of another number or another ZeRO stage than wrote it: each rank reads the
whole state and keeps its own part. Nothing is computed, so masters and moments carry over bit for bit.

DeepSpeed's universal checkpoint does the same from stage to stage by way of files of its own, which a tool
makes of the checkpoint first; it knows no run without ZeRO (docs/decisions/0012-states-that-move.md).
"""

import logging
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from rl.learner.whole_state import MASTER, NAMES, STEP, Numbers, WholeState

logger = logging.getLogger(__name__)

VALUE_HEAD = "value_head."
"""Prefix of the critic's part of a policy whose trunk it shares."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a piece of one parameter lies in a flat tensor."""

    name: str
    first: int
    """Place in the whole parameter."""
    count: int
    start: int
    """In the flat tensor."""


def parameter_names(engine: Any) -> dict[str, list[str]]:
    """Names that a checkpoint without ZeRO must hold beside the optimizer's numbers."""
    if engine.zero_optimization_stage() > 0:
        return {}
    names = {id(parameter): name for name, parameter in engine.module.named_parameters()}
    return {NAMES: [names[id(p)] for group in engine.optimizer.param_groups for p in group["params"]]}


@torch.no_grad()
def take_up(engine: Any, saved: WholeState) -> None:
    """Bring a DeepSpeed engine to a state that other ranks wrote.

    Raises:
        ValueError: a parameter of the model is not in it, or swapped to disk.
    """
    _check_names(engine.module, saved)
    stage = engine.zero_optimization_stage()
    if stage == 0:
        _fill_plain(engine, saved)
    elif stage == 3:
        _fill_parts(engine, saved)
    else:
        _fill_pieces(engine, saved)
    engine.lr_scheduler.load_state_dict(saved.common["lr_scheduler"])
    for counter in ("global_steps", "global_samples", "skipped_steps"):
        setattr(engine, counter, saved.common[counter])


def _check_names(module: nn.Module, saved: WholeState) -> None:
    """Only a value head may be on one side alone: it starts fresh, or is left behind."""
    own = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    missing, left = own - saved.trained.keys(), saved.trained.keys() - own
    if strange := sorted(name for name in missing | left if not name.startswith(VALUE_HEAD)):
        raise ValueError(
            f"checkpoint: {strange[0]} and {len(strange) - 1} more trained parameters are not in both the"
            " checkpoint and the model; resume with the same base and learner.lora"
        )
    if aside := missing | left:
        logger.warning(
            "checkpoint: the value head %s",
            "starts fresh, since the checkpoint has none"
            if aside & own
            else "is left behind, as none is used",
        )


def _fill_plain(engine: Any, saved: WholeState) -> None:
    """No ZeRO: parameters and the optimizer's states of each."""
    _fill_weights(engine.module, saved)
    for name, parameter in engine.module.named_parameters():
        if (numbers := saved.trained.get(name)) is not None and STEP in numbers:
            engine.optimizer.state[parameter] = {STEP: _step(numbers, parameter)} | {
                key: value.view_as(parameter).to(parameter.device, copy=True)
                for key, value in numbers.items()
                if key not in (MASTER, STEP)
            }


def _fill_pieces(engine: Any, saved: WholeState) -> None:
    """ZeRO 1 and 2: every rank has all weights, and its piece of masters and moments."""
    _fill_weights(engine.module, saved)
    zero = engine.optimizer
    parameters = dict(engine.module.named_parameters())
    for group, where in zip(zero.optimizer.param_groups, zero._param_slice_mappings, strict=True):
        (flat,) = group["params"]
        pieces = [
            Piece(name, parameters[name]._hp_mapping.lp_fragment_address.start, place.numel, place.start)
            for name, place in where.items()
        ]
        _fill_flat(zero.optimizer, flat, pieces, saved)


def _fill_parts(engine: Any, saved: WholeState) -> None:
    """ZeRO 3: every rank has its part of weights, masters and moments alike."""
    zero = engine.optimizer
    names = {id(parameter): name for name, parameter in engine.module.named_parameters()}
    if zero.swap_optimizer or zero.params_in_nvme_and_cpu:
        raise ValueError(
            "learner.offload: states on nvme cannot be divided anew; resume once with cpu, then change it"
        )
    for flat, group in zip(zero.fp32_partitioned_groups_flat, zero.fp16_groups, strict=True):
        pieces, start = [], 0
        for parameter in group:
            first, count = _own_part(parameter)
            pieces.append(Piece(names[id(parameter)], first, count, start))
            start += parameter.ds_tensor.numel()
        _fill_flat(zero.optimizer, flat, pieces, saved)
    from deepspeed.runtime.zero import GatheredParameters

    for name, parameter in engine.module.named_parameters():
        if (whole := _weight(name, saved)) is not None:
            with GatheredParameters([parameter], modifier_rank=0):
                parameter.data.copy_(whole.view_as(parameter))


def _own_part(parameter: Any) -> tuple[int, int]:
    """First number and count of this rank's part of a ZeRO-3 parameter, padding left out."""
    part = parameter.ds_tensor.numel()
    first = part * torch.distributed.get_rank(parameter.ds_process_group)
    return first, max(0, min(part, parameter.ds_numel - first))


def _fill_flat(optimizer: Any, flat: torch.Tensor, pieces: list[Piece], saved: WholeState) -> None:
    """One flat tensor of masters, and the optimizer's states of it."""
    _copy_pieces(flat, pieces, saved, MASTER)
    known = [numbers for piece in pieces if (numbers := saved.trained.get(piece.name)) is not None]
    if not known or STEP not in known[0]:
        return
    if len({float(numbers[STEP]) for numbers in known}) > 1:
        raise ValueError(
            "checkpoint: its parameters have taken different numbers of steps (a value head that came later),"
            " which only learner.zero_stage=0 can hold; resume with that"
        )
    state = {STEP: _step(known[0], flat)}
    for key in known[0].keys() - {MASTER, STEP}:
        state[key] = torch.zeros_like(flat)
        _copy_pieces(state[key], pieces, saved, key)
    optimizer.state[flat] = state


def _copy_pieces(flat: torch.Tensor, pieces: list[Piece], saved: WholeState, key: str) -> None:
    for piece in pieces:
        if (numbers := saved.trained.get(piece.name)) is not None:
            whole = numbers[key][piece.first : piece.first + piece.count]
            flat.data[piece.start : piece.start + piece.count].copy_(whole)


def _fill_weights(module: nn.Module, saved: WholeState) -> None:
    """Whole parameters, rounded from the masters as DeepSpeed rounds them after a step."""
    for name, parameter in module.named_parameters():
        if (whole := _weight(name, saved)) is not None:
            parameter.data.copy_(whole.view_as(parameter))


def _weight(name: str, saved: WholeState) -> torch.Tensor | None:
    trained = saved.trained.get(name)
    return saved.frozen.get(name) if trained is None else trained[MASTER]


def _step(numbers: Numbers, like: torch.Tensor) -> torch.Tensor:
    """The count of steps, where torch's fused optimizers want it."""
    return torch.as_tensor(numbers[STEP], dtype=torch.float32).to(like.device, copy=True)
