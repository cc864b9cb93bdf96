"""A recipe of about twenty steps, for tests."""

from typing import Any

from rl.config.model import RecipeConfig


def nano(**changes: Any) -> RecipeConfig:
    shape = {
        "hidden_size": 32,
        "num_layers": 2,
        "num_heads": 2,
        "head_dim": 16,
        "intermediate_size": 48,
        "max_positions": 96,
    }
    return RecipeConfig(
        **{"name": "nano", "tokens": 8_000, "batch_tokens": 512, "warmup_steps": 4, **shape, **changes}
    )
