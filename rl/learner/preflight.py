"""What can be wrong with the learner's settings for this model, found before any actor starts."""

from pathlib import Path
from typing import Any

from rl.config.learner import LearnerConfig


def check_learner(config: LearnerConfig, model_path: Path) -> None:
    """ValueError, in the user's words, for a model that the attention asked for cannot run, or options that DeepSpeed refuses."""
    from rl.learner.deepspeed_setup import deepspeed_config
    from rl.learner.model import attention_for

    attention_for(str(model_path), config)
    if config.deepspeed:
        check_options(deepspeed_config(config, num_parameters=1 << 20))


def check_options(settings: dict[str, Any]) -> None:
    """Let DeepSpeed's own classes read the whole configuration, on any machine; imports DeepSpeed.

    Raises:
        ValueError: a key inside a section that DeepSpeed does not know, or a value that it refuses; in DeepSpeed's words.
    """
    from deepspeed.runtime.config import DeepSpeedConfig, DeepSpeedConfigError
    from pydantic import ValidationError

    try:
        DeepSpeedConfig(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"learner.deepspeed: DeepSpeed refuses {where}: {first['msg']} (got {first['input']!r})") from error
    except (DeepSpeedConfigError, AssertionError, ValueError, TypeError) as error:
        raise ValueError(f"learner.deepspeed: DeepSpeed refuses it: {error}") from error
