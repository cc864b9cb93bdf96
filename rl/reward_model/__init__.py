"""A trained reward model beside the verifiers, on a Ray actor of its own."""

import json
from pathlib import Path

from rl.config.reward_model import RewardModelConfig


def check_reward_model(config: RewardModelConfig) -> None:
    """Raise ``ValueError`` if the directory holds no sequence classifier; read before any actor starts, without loading it."""
    path = Path(config.path).expanduser()
    file = path / "config.json"
    if not file.is_file():
        raise ValueError(f"reward_model.path: {path} holds no config.json; give a Hugging Face model directory")
    named = json.loads(file.read_text(encoding="utf-8")).get("architectures") or []
    if not any(name.endswith("ForSequenceClassification") for name in named):
        raise ValueError(
            f"reward_model.path: {path} is {named or 'of no named architecture'}; a reward model is a ...ForSequenceClassification"
        )
