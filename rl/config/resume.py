"""The resume section: which checkpoint a run goes on from, and which differences from that run are meant."""

from typing import Any

from pydantic import field_validator, model_validator

from rl.config.base import Section


class ResumeConfig(Section):
    """``resume=auto`` is short for ``resume.checkpoint=auto``, in files too."""

    checkpoint: str = "never"
    """``never`` | ``auto`` (newest checkpoint of the run, if any) | a checkpoint directory."""
    accept: tuple[str, ...] = ()
    """Differences from the run that wrote the checkpoint that are accepted: data, base, tokenizer, reward,
    reward_model, curriculum_code, or a field of the config or its section (learner.lr, algorithm). Anything
    else that differs is an error (docs/runs.md)."""

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"checkpoint": value} if isinstance(value, str) else value

    @field_validator("checkpoint")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in ("never", "auto") and "/" not in value:
            raise ValueError(
                f"{value!r} is none of never, auto, or the path of a checkpoint directory (with a /)"
            )
        return value

    @property
    def never(self) -> bool:
        """True for a new run."""
        return self.checkpoint == "never"

    @property
    def auto(self) -> bool:
        """True to go on from the newest checkpoint, if there is one."""
        return self.checkpoint == "auto"


SHORTHANDS = {"resume": "checkpoint", "tracker": "use"}
"""Section -> the field that a plain value of the section means."""
