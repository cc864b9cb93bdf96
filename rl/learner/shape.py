"""The shape that a learner's checkpoint depends on; read before any actor starts, so it imports neither torch
nor DeepSpeed."""

import json
from pathlib import Path
from typing import Any

from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import DilocoSync, LearnerConfig

SHAPE_FILE = "learner.json"
RESHARDED = frozenset(("world_size", "zero_stage", "critic"))
"""Parts that may differ at a resume: whole states are read and divided anew (``rl.learner.resharding``)."""
REPLICATED = frozenset(("world_size",))
"""The same under ``learner.sync=diloco``: a replica has its own state, a new one takes the outer weights."""


def run_shape(config: LearnerConfig, algorithm: AlgorithmConfig, *, world_size: int) -> dict[str, Any]:
    """Return what a checkpoint depends on."""
    return {
        "world_size": world_size,
        "zero_stage": config.zero_stage,
        "dtype": config.dtype,
        # A file of the user's by its name alone: where it lies is no part of what the shards hold.
        "optimizer": config.optimizer.name.rpartition("/")[2],
        # How the adapter travels is no part of what the shards hold.
        "lora": None if config.lora is None else config.lora.model_dump(mode="json", exclude={"push"}),
        "weight_decay_groups": config.weight_decay > 0,
        "critic": None if algorithm.critic is None else algorithm.critic.name,
        # The parts in which outer weights travel; None is also what older checkpoints say.
        "sync": f"diloco, {config.sync.fragments} fragments" if isinstance(config.sync, DilocoSync) else None,
    }


def refuse_other_shape(directory: Path, shape: dict[str, Any]) -> dict[str, Any]:
    """The shape that the learner's checkpoint in ``directory`` was written with.

    Raises:
        ValueError: there is none, or one that a run of ``shape`` cannot take up; naming what differs.
    """
    shape_file = directory / SHAPE_FILE
    if not shape_file.is_file():
        raise ValueError(f"checkpoint: {directory} holds no learner state ({SHAPE_FILE} is missing)")
    saved: dict[str, Any] = json.loads(shape_file.read_text(encoding="utf-8"))
    if shape["sync"] is not None:
        may_differ = REPLICATED
    else:
        may_differ = RESHARDED if shape["optimizer"] == "adamw" else frozenset()
    different = [
        f"{key} {saved.get(key)!r}, this run has {value!r}"
        for key, value in shape.items()
        if saved.get(key) != value and key not in may_differ
    ]
    if different:
        raise ValueError(
            f"checkpoint: {directory} was written with {'; '.join(different)}. A resume may change"
            " learner.num_ranks (world_size), learner.zero_stage and the critic, under"
            " learner.optimizer=adamw, and nothing else that shards depend on: resume with the same learner"
            " settings, or start a new run from an exported model (t2rl export)"
        )
    return saved


def changes(saved: dict[str, Any], shape: dict[str, Any]) -> str:
    """In words, where a resume differs from what was saved; empty if nothing."""
    names = {"world_size": "learner.num_ranks", "zero_stage": "learner.zero_stage", "critic": "the critic"}
    return ", ".join(
        f"{name} {saved.get(key)} to {shape[key]}"
        for key, name in names.items()
        if saved.get(key) != shape[key]
    )
