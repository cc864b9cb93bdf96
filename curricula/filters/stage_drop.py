"""Drop easy prompts between the stages of a run (POLARIS).

See docs/methods/filters.md#polaris.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from rollout.arrays import decode, encode
from rollout.types import RolloutStat


@dataclass(kw_only=True)
class StageDrop(Curriculum):
    """At each stage's end, drop the prompts whose mean accuracy over that stage exceeds ``threshold``, for
    the rest of the run.

    After POLARIS (its README; the released drop script does not run as it is). Stages are equal shares of the
    run. POLARIS also raises the response length from stage to stage, which ``staged_length`` does, and the
    temperature, which nothing here does. Where a prompt must be able to come back, use ``retire``.
    """

    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.9
    stages: Annotated[int, Field(ge=2)] = 3
    min_count: Annotated[int, Field(ge=1)] = 8
    """Rollouts of a prompt within the stage before its accuracy counts."""

    def __post_init__(self) -> None:
        self._counts = np.zeros((0, 2), dtype=np.int64)
        self._dropped = np.zeros(0, dtype=bool)

    def skip(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray | None:
        """[K] True for dropped prompts."""
        return self._dropped[indices] if len(self._dropped) else None

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Count, and drop where the plan was its stage's last."""
        if not len(self._dropped):
            self._counts, self._dropped = (
                np.zeros((len(ctx.pool), 2), dtype=np.int64),
                np.zeros(len(ctx.pool), dtype=bool),
            )
        for stat in stats:
            self._counts[ctx.store.index_of(stat.prompt_id)] += stat.num_rollouts, stat.num_correct
        if self._stage(ctx, ctx.step + 1) > self._stage(ctx, ctx.step):
            n, correct = self._counts.T
            self._dropped |= (n >= self.min_count) & (correct > self.threshold * n)
            self._counts[:] = 0

    def metrics(self) -> dict[str, float]:
        """Prompts dropped so far."""
        return {"stage_dropped_prompts": float(self._dropped.sum())}

    def state_dict(self) -> dict[str, Any]:
        """Counts of the stage and the prompts dropped."""
        return {"counts": encode(self._counts), "dropped": encode(self._dropped.astype(np.uint8))}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore."""
        self._counts, self._dropped = decode(state["counts"]), decode(state["dropped"]).astype(bool)

    def _stage(self, ctx: Ctx, step: int) -> int:
        return step * self.stages // max(ctx.total_steps, 1)
