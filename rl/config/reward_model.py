"""The reward-model section: a trained sequence classifier whose score is added to the verifier's."""

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from rewards.rubric.spec import RESERVED, Weight
from rl.config.base import Section


class RewardModelConfig(Weight, Section):
    """One ``AutoModelForSequenceClassification`` on an actor of its own; an optional component, never a
    verdict.

    ``weight``, ``schedule`` and ``gate`` are those of a rubric's component; a gate names a component of the
    task's reward.
    """

    path: str
    """Model directory, or a name on the hub: config.json with a ...ForSequenceClassification architecture,
    weights, tokenizer."""
    revision: str | None = None
    """Branch, tag or commit of a hub name."""
    trust_remote_code: bool = False
    """Run the code that comes with the model."""
    component: str = "reward_model"
    """Name of its component in the log (``reward/NAME``)."""
    template: str = "{prompt}{completion}"
    """Template of what the model reads; the prompt is as the policy saw it, its chat template included."""
    max_length: PositiveInt = 1024
    """Tokens; longer texts lose their beginning."""
    batch_size: PositiveInt = 16
    """Texts in one forward pass."""
    label: NonNegativeInt = 0
    """With several labels: the one whose probability is the score. With one, its logit is."""
    squash: Literal["none", "sigmoid"] = "none"
    """``sigmoid`` maps the logit of a one-label model to 0..1."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of its weights and arithmetic."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where it runs."""
    cpus: PositiveFloat = 1
    """Logical CPUs of the actor."""
    gpus: NonNegativeFloat = 0
    """GPUs that Ray reserves for the actor; a fraction shares one."""
    num_threads: PositiveInt = 1
    """Torch threads on CPU."""
    timeout_s: PositiveFloat = 30.0
    """A group waits at most this long for its turn, and its scoring takes at most this long; else it goes on
    without a score."""
    start_timeout_s: PositiveFloat = 300.0
    """Loading the model."""
    max_restarts: NonNegativeInt = 3
    """Deaths and hangs tolerated; one more ends the run, since without the model it would train something
    else."""

    @field_validator("component")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value in RESERVED:
            raise ValueError(f"the log has reward/{value} for something else; choose another name")
        return value

    @field_validator("template")
    @classmethod
    def _has_completion(cls, value: str) -> str:
        if "{completion}" not in value:
            raise ValueError(f"{value!r} must contain {{completion}}, and usually {{prompt}}")
        return value
