"""Saving and loading a rank: DeepSpeed's shards, plus what DeepSpeed does not keep (counters, RNG, the shape
of the run)."""

import json
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from rl.learner.resharding import parameter_names, take_up
from rl.learner.shape import SHAPE_FILE, refuse_other_shape
from rl.learner.whole_state import read_whole

logger = logging.getLogger(__name__)

SETTINGS = ("betas", "eps", "weight_decay", "momentum", "initial_lr")
"""Settings of an optimizer's parameter groups: the config's, not the checkpoint's, since a resume may be told
to change them."""


def save_state(
    engines: dict[str, Any], directory: Path, *, shape: dict[str, Any], counters: dict[str, Any]
) -> None:
    """Snapshot this rank's engines (by tag) and hand them to the background writer; a collective. Returns
    before the files are complete."""
    directory.mkdir(parents=True, exist_ok=True)
    for tag, engine in engines.items():
        engine.save_checkpoint(
            str(directory), tag=tag, save_latest=False, client_state=parameter_names(engine)
        )
    if dist.get_rank() == 0:
        (directory / SHAPE_FILE).write_text(json.dumps(shape, indent=1))
    own = {"counters": counters, "rng": _rng_state()}
    _writer(engines).save(own, str(_own_file(directory)))


def load_state(engines: dict[str, Any], directory: Path, *, shape: dict[str, Any]) -> dict[str, Any]:
    """Restore weights, optimizer, scheduler and RNG; returns the counters. A collective.

    Ranks that the checkpoint does not know begin with rank 0's counters and RNG.

    ValueError if the directory holds no checkpoint or one that a run of this shape cannot take up, naming
    what differs.
    """
    saved = refuse_other_shape(directory, shape)
    own_file = _own_file(directory)
    own = _writer(engines).load(str(own_file if own_file.is_file() else own_file.with_name("rank-0.pt")))
    counters: dict[str, Any] = own["counters"]
    divided = any(saved[key] != shape[key] for key in ("world_size", "zero_stage"))
    critics = {saved["critic"], shape["critic"]}
    if saved["critic"] == "separate" and "critic" not in engines:
        logger.warning("checkpoint: the critic in %s is left behind: this run has none", directory)
    for tag, engine in engines.items():
        if tag == "critic" and saved["critic"] != "separate":
            logger.warning(
                "checkpoint: %s has no critic of its own: it starts fresh from the base", directory
            )
            counters["batches"] = 0  # its warm-up is counted from here
            continue
        with _own_settings(engine):
            if divided or (tag == "shards" and len(critics) > 1 and "shared" in critics):
                take_up(engine, read_whole(directory / tag))
            elif engine.load_checkpoint(str(directory), tag=tag)[0] is None:
                raise ValueError(f"checkpoint: {directory} holds no {tag} directory")
    if shape["critic"] == "shared" != saved["critic"]:
        counters["batches"] = 0  # as that of a critic of its own
    _set_rng_state(own["rng"])
    return counters


@contextmanager
def _own_settings(engine: Any) -> Iterator[None]:
    """Keep the config's learning rates and the like, while what is loaded inside the block brings its step
    counts and moments."""
    groups, scheduler = engine.optimizer.param_groups, engine.lr_scheduler
    kept = [{name: group[name] for name in SETTINGS if name in group} for group in groups]
    rates = list(scheduler.base_lrs)
    yield
    scheduler.base_lrs = rates
    for group, own, rate, multiplier in zip(
        engine.optimizer.param_groups, kept, rates, scheduler.lr_lambdas, strict=True
    ):
        group.update(own)
        group["lr"] = rate * multiplier(scheduler.last_epoch)


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
