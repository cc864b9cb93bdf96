"""Settings of one learner rank; read before DeepSpeed is imported."""

from dataclasses import dataclass
from typing import Literal

from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig

Recorded = Literal["none", "samples", "tokens"]
"""The learner's figures of a batch's samples (``rl.batch.types.SampleFigures``): nothing, figures of each, or
also of each token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankSettings:
    """Everything that a rank is told when it is made."""

    config: LearnerConfig
    algorithm: AlgorithmConfig
    model_path: str
    rank: int
    world_size: int
    seed: int
    total_steps: int
    """Training batches, which end the learning-rate schedule."""
    max_tokens: int
    """Completion limit (Dr. GRPO)."""
    trust: bool = False
    """The base's own code may run."""
    serves_bf16: bool = False
    """Engines round what is published to bfloat16."""
    records: Recorded = "none"
    """Figures of its samples in a step's result."""
