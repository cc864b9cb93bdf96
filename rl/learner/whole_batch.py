"""Settings that keep a batch from coming in parts (``rl.learner.streamed``)."""

from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import DilocoSync, LearnerConfig
from rl.objective.advantages import resolve_advantage


def needs_whole_batch(config: LearnerConfig, algorithm: AlgorithmConfig) -> str | None:
    """The reason why these settings must see a whole batch before the first backward pass; None = they need
    not."""
    advantage = algorithm.advantage.name
    # Muon changes gradients, and offload takes their norm, before the step: both would see them too large.
    reasons = {
        "learner.sync is diloco, whose replicas divide it": isinstance(config.sync, DilocoSync),
        f"learner.updates_per_batch is {config.updates_per_batch}": config.updates_per_batch > 1,
        "learner.offload is on": config.offload is not None,
        "learner.optimizer is muon": config.optimizer.name == "muon",
        "algorithm.advantage_scale is batch_rms": algorithm.advantage_scale == "batch_rms",
        f"algorithm.advantage {advantage} may read other groups": not getattr(
            resolve_advantage(advantage), "by_group", False
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
