"""Held-out suites beside the run's own held-out set."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from rl.config.base import Section
from rl.config.task import FileTaskConfig
from rl.config.task_own import OwnTaskConfig
from rl.config.task_reasoning_gym import ReasoningGymTaskConfig

SuiteTaskConfig = Annotated[
    FileTaskConfig | ReasoningGymTaskConfig | OwnTaskConfig, Field(discriminator="kind")
]
PACKAGED = "packaged"


class SuiteConfig(Section):
    """One suite. Give one of ``task``, ``named`` and ``text``."""

    task: SuiteTaskConfig | None = None
    """A task section of its own: other files, or other levels of the same generator."""
    named: str | None = None
    """A published suite (``rl.evaluation.suites.SUITES``), read from ``file``."""
    file: str | None = None
    """The published file of ``named``; not needed where the suite is packaged."""
    text: str | None = None
    """Likelihood of plain text instead of answers: ``packaged``, or a text file with an empty line between
    passages."""
    split: Literal["dev", "test"] = "test"
    """Split of ``task``."""
    every: NonNegativeInt | None = None
    """Steps between its evaluations; 0 = before and after only, None = as ``evaluation.every``."""
    num_prompts: PositiveInt = 120
    """Problems (of ``text``: passages) at most."""
    samples_per_prompt: NonNegativeInt = 4
    """Attempts at each problem at ``temperature``; 0 = greedy only."""
    temperature: PositiveFloat = 1.0
    """Temperature of those attempts."""
    greedy: bool = True
    """Also one attempt at temperature 0."""
    max_tokens: PositiveInt | None = None
    """Completion tokens at most; None = ``rollout.max_tokens``."""

    shots: NonNegativeInt = 0
    """Worked examples in front of every problem of ``named``, from its train split; never the problems
    themselves. A ``task`` has ``shots`` of its own."""
    shots_file: str | None = None
    """Where they come from, in the columns of ``named``; None = its train file beside ``file``."""
    stop: tuple[str, ...] | None = None
    """Texts that end its completions, beside ``rollout.stop``; None = those of ``named`` where the model has
    no chat template."""
    stop_token_ids: tuple[NonNegativeInt, ...] = ()
    """Tokens that end its completions, beside ``rollout.stop_token_ids``."""
    allow_overlap: bool = False
    """Start although its problems, or passages, are among the train prompts, word for word."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> "SuiteConfig":
        given = [name for name in ("task", "named", "text") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a suite has {' and '.join(given) or 'no source'}; give exactly one of task, named and text"
            )
        if self.file is not None and self.named is None:
            raise ValueError("file is read with named only; a task names its own files")
        if (self.shots or self.shots_file is not None) and self.named is None:
            raise ValueError("shots is read with named only; a task has shots of its own (task.shots)")
        if "" in (self.stop or ()):
            raise ValueError("stop: an empty text would end every completion; leave it out")
        if not self.greedy and not self.samples_per_prompt and self.text is None:
            raise ValueError("greedy=false with samples_per_prompt=0 leaves nothing to ask")
        return self

    @property
    def temperatures(self) -> list[float]:
        """0 is greedy."""
        sampled = [self.temperature] if self.samples_per_prompt else []
        return [*sampled, *([0.0] if self.greedy else [])]
