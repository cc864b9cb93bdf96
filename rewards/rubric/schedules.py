"""Weights that move over a run: constant, half a cosine, exponential."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Schedule(BaseModel):
    """From a start value to ``end``, between two shares of the run; before and after it stands still.

    With q = how much of the way is over, 0 to 1:

    * ``constant``: start;
    * ``cosine``: end + (start - end) (1 + cos(pi q)) / 2;
    * ``exponential``: start (end / start)^q.

    Example from 1 to 0.01: cosine at q = 0, 1/4, 1/2, 1 is 1, .8550, .505, .01, exponential is 1, .3162, .1,
    .01.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["constant", "cosine", "exponential"] = "constant"
    """How it moves."""
    end: float | None = Field(default=None, allow_inf_nan=False)
    """Value at the end; cosine: 0 if not given."""
    begin_at: float = Field(default=0.0, ge=0, lt=1)
    """Share of the run at which it starts to move."""
    end_at: float = Field(default=1.0, gt=0, le=1)
    """Share of the run at which it has arrived."""

    @model_validator(mode="after")
    def _goes_forward(self) -> "Schedule":
        if self.begin_at >= self.end_at:
            raise ValueError(f"begin_at {self.begin_at} must be before end_at {self.end_at}")
        if self.kind == "constant" and (self.end is not None or (self.begin_at, self.end_at) != (0.0, 1.0)):
            raise ValueError(
                "a constant schedule goes nowhere; leave out end, begin_at and end_at, or set kind: cosine"
            )
        if self.kind == "exponential" and self.end is None:
            raise ValueError("an exponential schedule never reaches 0; set its end, e.g. 0.01")
        return self

    def check(self, start: float) -> None:
        """Raise ``ValueError`` if the schedule cannot begin at ``start``."""
        if self.kind == "exponential" and start * (self.end or 0.0) <= 0:
            raise ValueError(
                f"an exponential schedule from {start} to {self.end} passes 0; use the same sign, or kind:"
                " cosine"
            )

    def at(self, start: float, progress: float) -> float:
        """The value when the share ``progress`` (0 to 1) of the run is over."""
        if self.kind == "constant":
            return start
        end = self.end or 0.0
        q = min(1.0, max(0.0, (progress - self.begin_at) / (self.end_at - self.begin_at)))
        if self.kind == "cosine":
            return end + (start - end) * (1 + math.cos(math.pi * q)) / 2
        return start * (end / start) ** q
