"""A learner's checkpoint as whole parameters: what its ranks wrote in parts, put together by name, bit for
bit.

DeepSpeed keeps the float32 masters and an optimizer's moments in flat tensors, one a parameter group and
rank: below ZeRO-3 a rank's flat tensor is a piece of the group laid end to end, at ZeRO-3 it has a piece of
every parameter. Without ZeRO there are no flat tensors; the weights are the masters.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch

from rl.learner.shard_files import read_shard

MASTER, STEP = "master", "step"
NAMES = "t2rl_parameters"
"""Key under which a checkpoint without ZeRO holds the names of what its optimizer has, in its order."""
Numbers = dict[str, torch.Tensor]
"""One parameter: its float32 master and each moment, flat, and the optimizer's count of steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeState:
    """One engine's state."""

    trained: dict[str, Numbers]
    frozen: dict[str, torch.Tensor]
    """Parameters that no optimizer has, as the base under an adapter; others may be among them."""
    common: dict[str, Any]
    """Equal on all ranks: DeepSpeed's counters and the schedule."""


def read_whole(directory: Path) -> WholeState:
    """Put together what the ranks wrote into ``directory``, whatever their number and ZeRO stage.

    Raises:
        ValueError: it was written without ZeRO by a T2RL that did not keep the names.
    """
    shards = [read_shard(path, map_location="cpu") for path in _by_rank(directory, "optim_states")]
    models = [read_shard(path, map_location="cpu") for path in _by_rank(directory, "model_states")]
    first = models[0]
    optimizers = [shard["optimizer_state_dict"] for shard in shards]
    sharded = bool(optimizers) and "fp32_flat_groups" in optimizers[0]
    if not optimizers:
        trained = _without_zero(first, directory)
    elif sharded:
        trained = _from_parts(optimizers, first["param_shapes"])
    else:
        trained = _from_pieces(optimizers)
    common = {key: first[key] for key in ("lr_scheduler", "global_steps", "global_samples", "skipped_steps")}
    return WholeState(
        trained=trained, frozen=_frozen_parts(models) if sharded else first["module"], common=common
    )


def _by_rank(directory: Path, kind: str) -> list[Path]:
    """Files of one kind; in their names the rank is the first number (``zero_pp_rank_0_mp_rank_00_...``)."""
    paths = list(directory.glob(f"*{kind}.pt"))
    return sorted(paths, key=lambda path: int(path.name.partition("rank_")[2].partition("_")[0]))


def _moments(state: dict[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors that an optimizer keeps beside a parameter."""
    return ((key, value) for key, value in state.items() if torch.is_tensor(value) and value.dim() > 0)


def _without_zero(model: dict[str, Any], directory: Path) -> dict[str, Numbers]:
    if NAMES not in model:
        raise ValueError(
            f"checkpoint: {directory} was written without ZeRO by a T2RL that did not keep the order of its"
            " parameters. Go on with the learner.num_ranks and learner.zero_stage that it has until the next"
            " checkpoint, then change them"
        )
    states, found = model["optimizer"]["state"], {}
    for index, name in enumerate(model[NAMES]):
        state = states.get(index, {})
        found[name] = {MASTER: model["module"][name].flatten()} | {
            key: value.flatten() for key, value in _moments(state)
        }
        if STEP in state:
            found[name][STEP] = state[STEP]
    return found


def _from_pieces(optimizers: list[dict[str, Any]]) -> dict[str, Numbers]:
    """ZeRO 1 and 2: a rank's flat tensor of a group holds neighbouring parameters, the first and the last
    perhaps in part; a mapping says where."""
    pieces: dict[str, dict[str, list[torch.Tensor]]] = defaultdict(lambda: defaultdict(list))
    steps: Numbers = {}
    for optimizer in optimizers:
        masters = optimizer["single_partition_of_fp32_groups"]
        for group, where in enumerate(optimizer["param_slice_mappings"]):
            state = optimizer["base_optimizer_state"]["state"].get(group, {})
            flats = {MASTER: masters[group], **dict(_moments(state))}
            for name, place in where.items():
                for key, flat in flats.items():
                    pieces[name][key].append(flat[place.start : place.start + place.numel])
                if STEP in state:
                    steps[name] = state[STEP]
    return {
        name: {key: torch.cat(parts) for key, parts in keys.items()}
        | ({STEP: steps[name]} if name in steps else {})
        for name, keys in pieces.items()
    }


def _from_parts(optimizers: list[dict[str, Any]], shapes: list[dict[str, Any]]) -> dict[str, Numbers]:
    """ZeRO 3: every rank has an equal part of every parameter, the last one padded; flat tensors follow each
    other in the order of the groups."""
    ranks, steps = [], None
    for optimizer in optimizers:
        states = list(optimizer["optimizer_state_dict"]["state"].values())
        steps = states[0].get(STEP) if states else None
        keys = [key for key, _ in _moments(states[0])] if states else []
        flats = {key: torch.cat([state[key].flatten() for state in states]) for key in keys}
        ranks.append({MASTER: torch.cat([flat.flatten() for flat in optimizer["fp32_flat_groups"]]), **flats})
    found: dict[str, Numbers] = {}
    start = 0
    for name, shape in (item for group in shapes for item in group.items()):
        part = -(-prod(shape) // len(ranks))
        found[name] = {
            key: torch.cat([rank[key][start : start + part] for rank in ranks])[: prod(shape)]
            for key in ranks[0]
        }
        if steps is not None:
            found[name][STEP] = steps
        start += part
    return found


def _frozen_parts(models: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """ZeRO 3: every rank has an equal part of these, too."""
    parts = [model["frozen_param_fragments"] for model in models]
    return {
        name: torch.cat([part[name].flatten() for part in parts])[: prod(shape)]
        for name, shape in models[0]["frozen_param_shapes"].items()
    }
