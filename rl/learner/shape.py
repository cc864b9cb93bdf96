"""The shape that a learner's checkpoint depends on; read before any actor starts, so it imports neither torch
nor DeepSpeed."""

import json
from pathlib import Path
from typing import Any

from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import DilocoSync, LearnerConfig

SHAPE_FILE = "learner.json"


def run_shape(config: LearnerConfig, algorithm: AlgorithmConfig, *, world_size: int) -> dict[str, Any]:
    """Return what a checkpoint depends on; a run of another shape cannot load it."""
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


def refuse_other_shape(directory: Path, shape: dict[str, Any]) -> None:
    """Raise ``ValueError`` if ``directory`` holds no learner's checkpoint, or one of another shape, naming
    what differs."""
    shape_file = directory / SHAPE_FILE
    if not shape_file.is_file():
        raise ValueError(f"checkpoint: {directory} holds no learner state ({SHAPE_FILE} is missing)")
    saved = json.loads(shape_file.read_text(encoding="utf-8"))
    different = [
        f"{key} {saved.get(key)!r}, this run has {value!r}"
        for key, value in shape.items()
        if saved.get(key) != value
    ]
    if different:
        raise ValueError(
            f"checkpoint: {directory} was written with {'; '.join(different)}. ZeRO shards fit only the run"
            " that wrote them: resume with the same learner settings (world_size is learner.num_ranks), or"
            " start a new run from an exported model (t2rl export)"
        )
