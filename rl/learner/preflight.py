"""Find what is wrong with the learner's settings for this model, before any actor starts."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl.cluster.gpus import smallest_device
from rl.config.model import trusts_code
from rl.learner.memory import learner_bytes, shortage, sizes
from rollout.checkpoint_shapes import checkpoint_shapes

if TYPE_CHECKING:
    from rl.config.schema import Config

logger = logging.getLogger(__name__)


def check_learner(config: "Config", model_path: Path) -> None:
    """Say it where the state will not fit into this machine's GPUs.

    Raises:
        ValueError: the attention asked for cannot run this model, or DeepSpeed refuses an option.
    """
    from rl.learner.deepspeed_setup import deepspeed_config
    from rl.learner.model import attention_for

    learner = config.learner
    attention_for(str(model_path), learner, trust=trusts_code(config.model))
    if learner.deepspeed:
        check_options(deepspeed_config(learner, num_parameters=1 << 20))
    device = smallest_device() if learner.device == "cuda" and config.cluster.address is None else None
    if device is not None:
        said = memory_note(config, model_path, device)
        if said is not None:
            logger.warning("%s", said)


def memory_note(config: "Config", model_path: Path, device: int) -> str | None:
    """Return a note for a GPU of ``device`` bytes, which on ``cluster=gpu1`` the engine has its share of,
    unless they take turns; None if the state fits."""
    shared = config.cluster.name == "gpu1" and not config.cluster.colocated
    room = int(device * (1 - config.rollout.gpu_memory_utilization)) if shared else device
    size = sizes(checkpoint_shapes(model_path), config.learner)
    return shortage(learner_bytes(size, config.learner, config.algorithm), room)


def check_options(settings: dict[str, Any]) -> None:
    """Let DeepSpeed's own classes read the whole configuration, on any machine; imports DeepSpeed.

    Raises:
        ValueError: a key inside a section that DeepSpeed does not know, or a value that it refuses; in
            DeepSpeed's words.
    """
    from deepspeed.runtime.config import DeepSpeedConfig, DeepSpeedConfigError
    from pydantic import ValidationError

    try:
        DeepSpeedConfig(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(
            f"learner.deepspeed: DeepSpeed refuses {where}: {first['msg']} (got {first['input']!r})"
        ) from error
    except (DeepSpeedConfigError, AssertionError, ValueError, TypeError) as error:
        raise ValueError(f"learner.deepspeed: DeepSpeed refuses it: {error}") from error
