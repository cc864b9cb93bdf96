"""The whole configuration tree, frozen and checked before any actor starts."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from rl.config.algorithm import AlgorithmConfig
from rl.config.base import Section
from rl.config.checks import problems
from rl.config.curriculum import CurriculumConfig
from rl.config.learner import LearnerConfig
from rl.config.model import ModelConfig
from rl.config.reward_model import RewardModelConfig
from rl.config.sections import CheckpointConfig, ClusterConfig, EvaluationConfig, RolloutConfig, RunConfig, StreamConfig
from rl.config.task import FileTaskConfig
from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.config.verifiers import VerifiersConfig

TaskConfig = Annotated[FileTaskConfig | ReasoningGymTaskConfig, Field(discriminator="kind")]
DEFAULT_ALGORITHM = AlgorithmConfig()
"""Without a preset: clipped against the behaviour policy, where a truncated importance weight has no place."""


class Config(Section):
    """One run. Sections check themselves; what spans sections is checked by :func:`rl.config.checks.problems`."""

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
    """``wandb`` writes offline into the run directory (no account needed) unless WANDB_MODE says otherwise."""
    resume: str = "never"
    """``never`` | ``auto`` (newest checkpoint of the run, if any) | a checkpoint directory."""

    @field_validator("resume")
    @classmethod
    def _resume_is_known(cls, value: str) -> str:
        if value not in ("never", "auto") and "/" not in value:
            raise ValueError(f"{value!r} is none of never, auto, or the path of a checkpoint directory (with a /)")
        return value

    @model_validator(mode="after")
    def _sections_fit(self) -> "Config":
        found = problems(self)
        if found:
            raise ValueError("\n".join(found))
        return self
