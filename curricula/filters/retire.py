"""Retire prompts that are solved, and look again from time to time whether they still are."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.filters.runs import ExtremeRuns
from rollout.types import RolloutStat

Count = Annotated[int, Field(ge=1)]


@dataclass(kw_only=True)
class Retire(Curriculum):
    """Pass over a prompt after ``patience`` solved visits in a row, until its next re-check is due.

    The n-th re-check is due ``recheck_steps * growth^(n - 1)`` steps after the last visit, at most
    ``longest_steps``; a visit that is not solved brings the prompt back at once. So nothing is lost for good,
    and forgetting is noticed.
    """

    threshold: Annotated[float, Field(gt=0, le=1)] = 1.0
    """A visit with at least this pass rate is solved."""
    patience: Count = 2
    """Solved visits in a row before a prompt retires; one lucky visit of a small group proves little."""
    recheck_steps: Count = 20
    growth: Annotated[float, Field(ge=1)] = 2.0
    longest_steps: Count = 500

    def __post_init__(self) -> None:
        if self.longest_steps < self.recheck_steps:
            raise ValueError(
                f"retire: longest_steps={self.longest_steps} is below recheck_steps={self.recheck_steps}"
            )
        self._runs = ExtremeRuns(easy=self.threshold, hard=-1.0)

    def skip(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] True for solved prompts that are not due."""
        runs, age = self._runs.at(ctx, indices)
        # The exponent is bounded so that a long run cannot overflow before longest_steps cuts it.
        exponent = np.minimum(np.maximum(runs - self.patience, 0), 64)
        due = np.minimum(self.recheck_steps * self.growth**exponent, self.longest_steps)
        return (runs >= self.patience) & (age < due)

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Extend or end the runs."""
        self._runs.add(ctx, stats)

    def metrics(self) -> dict[str, float]:
        """Prompts that are skipped between re-checks."""
        return {"retired_prompts": float((self._runs.lengths() >= self.patience).sum())}

    def state_dict(self) -> dict[str, Any]:
        """The runs."""
        return {"runs": self._runs.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore."""
        self._runs.load_state_dict(state["runs"])
