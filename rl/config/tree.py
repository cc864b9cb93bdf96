"""All sections of a run as one tree, not yet held against each other (:mod:`rl.config.checks` does that)."""

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from rl.config.algorithm import AlgorithmConfig
from rl.config.base import Section
from rl.config.curriculum import CurriculumConfig
from rl.config.learner import LearnerConfig
from rl.config.model import ModelConfig
from rl.config.records import RecordsConfig
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
from rl.config.task_mixture import MixtureTaskConfig, list_as_mixture
from rl.config.task_own import OwnTaskConfig
from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.config.tracker import TrackerConfig
from rl.config.verifiers import VerifiersConfig

TaskConfig = Annotated[
    FileTaskConfig | ReasoningGymTaskConfig | OwnTaskConfig | MixtureTaskConfig,
    Field(discriminator="kind"),
    BeforeValidator(list_as_mixture),
]
DEFAULT_ALGORITHM = AlgorithmConfig()
"""Without a preset: clipped against the behaviour policy, where a truncated importance weight has no
place."""


class ConfigTree(Section):
    """One run; each section has checked itself."""

    LIMITS: ClassVar[frozenset[str]] = frozenset({"records"})

    run: RunConfig = RunConfig()
    """Name, directory, seed and length of the run."""
    task: TaskConfig
    """Where prompts and their rewards come from; ``task=[A,B]``, or a list of sections, is a mixture."""
    model: ModelConfig
    """The base that is trained."""
    reward_model: RewardModelConfig | None = None
    """A trained reward model beside the task's reward; None = no model."""
    verifiers: VerifiersConfig = VerifiersConfig()
    """Processes that run the task's reward."""
    rollout: RolloutConfig = RolloutConfig()
    """Engines and sampling."""
    learner: LearnerConfig = LearnerConfig()
    """Optimizer, precision, batching and sharding."""
    algorithm: AlgorithmConfig = DEFAULT_ALGORITHM
    """The loss; ``algorithm=NAME`` takes a preset."""
    curriculum: CurriculumConfig = CurriculumConfig()
    """Which prompts come when, with how many rollouts; ``curriculum=A+B`` stacks presets."""
    stream: StreamConfig = StreamConfig()
    """Batches, staleness and timeouts."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Held-out evaluations."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """Checkpoints: what survives a kill."""
    records: RecordsConfig = RecordsConfig()
    """Which rollouts are kept, with their texts."""
    cluster: ClusterConfig = ClusterConfig()
    """Where engines and learner ranks sit."""
    tracker: TrackerConfig = TrackerConfig()
    """Where metrics go besides the run directory; ``tracker=wandb+tensorboard`` takes several."""
    resume: ResumeConfig = ResumeConfig()
    """``never`` | ``auto`` (newest checkpoint of the run, if any) | a checkpoint directory."""
