"""A trained reward model beside the verifiers, on a Ray actor of its own."""

import json
from pathlib import Path

from rl.config.hub import model_directory
from rl.config.reward_model import RewardModelConfig


def reward_model_directory(config: RewardModelConfig) -> Path:
    """Where the model lies, or the snapshot of its hub name; ValueError if there is none."""
    return model_directory(config.path, revision=config.revision, field="reward_model.path")


def check_reward_model(config: RewardModelConfig) -> None:
    """Raise ``ValueError`` if the directory holds no sequence classifier; read before any actor starts,
    without loading it."""
    path = reward_model_directory(config)
    file = path / "config.json"
    named = json.loads(file.read_text(encoding="utf-8")).get("architectures") or []
    if not any(name.endswith("ForSequenceClassification") for name in named):
        raise ValueError(
            f"reward_model.path: {path} is {named or 'of no named architecture'}; a reward model is a"
            " ...ForSequenceClassification"
        )
