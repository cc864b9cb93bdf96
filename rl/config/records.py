"""The records section: which rollouts a run keeps, with their texts."""

from typing import Literal

from pydantic import PositiveInt, model_validator

from rl.config.base import Section


class RecordsConfig(Section):
    """Rollouts that stay, with their texts, as Parquet files (docs/samples.md)."""

    rollouts: Literal["all", "sample", "none"] = "all"
    """``all``: every finished rollout, in ``RUN/rollouts``, and every completion of an evaluation, in
    ``RUN/eval/rollouts``. ``sample``: ``rollouts_per_step`` of each step. ``none``: no file is written."""
    rollouts_per_step: PositiveInt | None = None
    """With ``rollouts=sample``: rollouts of one step at most, in whole groups as far as they go; of an
    evaluation likewise."""
    tokens: bool = False
    """Also keep each rollout's token ids, with the engine's and the learner's log-prob, the advantage and the
    policy version of every token: several times as many bytes."""
    max_mib: PositiveInt = 2048
    """Most MiB of either folder. Beyond it the files of the oldest steps are thinned first, group by group;
    the log says so."""

    @model_validator(mode="after")
    def _sample_has_a_size(self) -> "RecordsConfig":
        if self.rollouts == "sample" and self.rollouts_per_step is None:
            raise ValueError(
                "rollouts=sample needs rollouts_per_step, how many rollouts of a step stay (64?)"
            )
        if self.rollouts != "sample" and self.rollouts_per_step is not None:
            raise ValueError(
                f"rollouts_per_step is read with rollouts=sample only, and rollouts is {self.rollouts}: leave"
                " it out, or set rollouts=sample"
            )
        return self
