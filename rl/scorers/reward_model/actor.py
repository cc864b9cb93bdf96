"""The Ray wrapping of the host."""

from typing import Any

import ray

from rl.config.reward_model import RewardModelConfig
from rl.scorers.reward_model.host import RewardModelHost


def create_reward_model_actor(config: RewardModelConfig) -> Any:
    """An actor that is loading the model; ``ready`` tells when it has."""
    return (
        ray.remote(RewardModelHost)
        .options(num_cpus=config.cpus, num_gpus=config.gpus, max_restarts=0)
        .remote(config)
    )
