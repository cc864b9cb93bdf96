"""Saving and loading a rank: DeepSpeed's shards, plus what DeepSpeed does not keep (counters, RNG, the shape of the run)."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig

SHAPE_FILE = "learner.json"


def run_shape(config: LearnerConfig, algorithm: AlgorithmConfig, *, world_size: int) -> dict[str, Any]:
    """What a checkpoint depends on; a run of another shape cannot load it."""
    return {
        "world_size": world_size,
        "zero_stage": config.zero_stage,
        "dtype": config.dtype,
        "optimizer": config.optimizer,
        # How the adapter travels is no part of what the shards hold.
        "lora": None if config.lora is None else config.lora.model_dump(mode="json", exclude={"push"}),
        "weight_decay_groups": config.weight_decay > 0,
        "critic": None if algorithm.critic is None else algorithm.critic.kind,
    }


def save_state(engines: dict[str, Any], directory: Path, *, shape: dict[str, Any], counters: dict[str, Any]) -> None:
    """Snapshot this rank's engines (by tag) and hand them to the background writer; a collective. Returns before the files are
    complete."""
    directory.mkdir(parents=True, exist_ok=True)
    for tag, engine in engines.items():
        engine.save_checkpoint(str(directory), tag=tag, save_latest=False)
    if dist.get_rank() == 0:
        (directory / SHAPE_FILE).write_text(json.dumps(shape, indent=1))
    own = {"counters": counters, "rng": _rng_state()}
    _writer(engines).save(own, str(_own_file(directory)))


def load_state(engines: dict[str, Any], directory: Path, *, shape: dict[str, Any]) -> dict[str, Any]:
    """Restore weights, optimizer, scheduler and RNG; returns the counters. A collective.

    ValueError if the directory holds no checkpoint or one of a run of another shape, naming what differs.
    """
    shape_file = directory / SHAPE_FILE
    if not shape_file.is_file():
        raise ValueError(f"checkpoint: {directory} holds no learner state ({SHAPE_FILE} is missing)")
    saved = json.loads(shape_file.read_text())
    different = [f"{key} {saved.get(key)!r}, this run has {value!r}" for key, value in shape.items() if saved.get(key) != value]
    if different:
        raise ValueError(
            f"checkpoint: {directory} was written with {'; '.join(different)}. ZeRO shards fit only the run that wrote them: "
            "resume with the same learner settings (world_size is learner.num_ranks), or start a new run from an exported model"
        )
    own = _writer(engines).load(str(_own_file(directory)))
    for tag, engine in engines.items():
        path, _ = engine.load_checkpoint(str(directory), tag=tag)
        if path is None:
            raise ValueError(f"checkpoint: {directory} holds no {tag} directory")
    _set_rng_state(own["rng"])
    return own["counters"]


def _writer(engines: dict[str, Any]) -> Any:
    """All engines of a rank share one background writer."""
    return next(iter(engines.values())).checkpoint_engine


def _own_file(directory: Path) -> Path:
    return directory / f"rank-{dist.get_rank()}.pt"


def _rng_state() -> dict[str, Any]:
    state = {"torch": torch.get_rng_state(), "numpy": np.random.get_state(), "python": random.getstate()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _set_rng_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])
