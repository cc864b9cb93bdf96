"""All sections of a run as one tree, not yet held against each other (:mod:`rl.config.checks` does that)."""

from typing import Annotated, Literal

from pydantic import Field

from rl.config.algorithm import AlgorithmConfig
from rl.config.base import Section
from rl.config.curriculum import CurriculumConfig
from rl.config.learner import LearnerConfig
from rl.config.model import ModelConfig
from rl.config.resume import ResumeConfig
from rl.config.reward_model import RewardModelConfig
from rl.config.sections import (
    CheckpointConfig,
    ClusterConfig,
    EvaluationConfig,
    RolloutConfig,
    RunConfig,
    StreamConfig,
)
from rl.config.task import FileTaskConfig
from rl.config.task_own import OwnTaskConfig
from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.config.verifiers import VerifiersConfig

TaskConfig = Annotated[FileTaskConfig | ReasoningGymTaskConfig | OwnTaskConfig, Field(discriminator="kind")]
DEFAULT_ALGORITHM = AlgorithmConfig()
"""Without a preset: clipped against the behaviour policy, where a truncated importance weight has no
place."""


class ConfigTree(Section):
    """One run; each section has checked itself."""

    run: RunConfig = RunConfig()
    task: TaskConfig
    model: ModelConfig
    reward_model: RewardModelConfig | None = None
    """A trained reward model beside the task's reward; None = no model."""
    verifiers: VerifiersConfig = VerifiersConfig()
    """Processes that run the task's reward."""
    rollout: RolloutConfig = RolloutConfig()
    learner: LearnerConfig = LearnerConfig()
    algorithm: AlgorithmConfig = DEFAULT_ALGORITHM
    curriculum: CurriculumConfig = CurriculumConfig()
    stream: StreamConfig = StreamConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    cluster: ClusterConfig = ClusterConfig()
    tracker: Literal["wandb", "none"] = "wandb"
    """``wandb`` writes offline into the run directory (no account needed) unless WANDB_MODE says
    otherwise."""
    resume: ResumeConfig = ResumeConfig()
    """``never`` | ``auto`` (newest checkpoint of the run, if any) | a checkpoint directory."""
