"""Which prompts: along the order of a signal, under a Gaussian that moves as accuracy grows (GAIN-RL, arXiv 2506.02281)."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.columns import numbers
from curricula.pool import PromptPool
from rollout.types import RolloutStat

Positive = Annotated[float, Field(gt=0)]


@dataclass(kw_only=True, eq=False)
class GainOrder(Curriculum):
    """P(prompt at rank j) proportional to exp(-((j - mu) / width)^2 / 2), ranks by descending signal, mu = 0 at the start.

    After a plan mu += clip(stride * tanh(slope * (accuracy - target)) + stride * tanh(slope * signal), low, high), with the plan's
    raw accuracy and the mean signal of its prompts, and stays inside the pool. The signal is given (see ``curricula.angle``), one
    number for a prompt: in the paper it is measured again online, here it stays what it was.

    Positions are counted in prompts: 500 and 1000 suit pools of some thousands; scale them with the pool.
    """

    key: str = "angle"
    """Of the signal, in the prompts' metadata or in the rows of ``path``."""
    path: str | None = None
    """JSONL with rows ``{"id": ..., key: number}``; None = the metadata."""
    width: Positive = 1000.0
    stride: Positive = 500.0
    slope: Positive = 2.0
    target: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Accuracy above which the Gaussian moves on faster."""
    low: float = 0.0
    """Least move of a step; at 0 it never goes back."""
    high: float = 1000.0

    def __post_init__(self) -> None:
        if self.high < self.low:
            raise ValueError(f"gain: high={self.high} is below low={self.low}")
        self._mu = 0.0

    def check_pool(self, pool: PromptPool) -> None:
        """Every prompt needs a signal."""
        missing = np.flatnonzero(np.isnan(numbers(pool, self.key, self.path)))
        if missing.size:
            where = f"metadata[{self.key!r}]" if self.path is None else f"row in {self.path}"
            raise ValueError(
                f"{missing.size} of {len(pool)} prompts have no {where}, e.g. {pool.ids[missing[0]]!r}: compute the signal of "
                "every training prompt with curricula.angle.angle_signal and give it as metadata or as args.path"
            )

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] the Gaussian's exponent at the prompts' ranks in the pool."""
        return -0.5 * ((_ranks(ctx.pool, self.key, self.path)[indices] - self._mu) / self.width) ** 2

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Move the Gaussian."""
        if not stats:
            return
        accuracy = sum(stat.num_correct for stat in stats) / sum(stat.num_rollouts for stat in stats)
        indices = [ctx.store.index_of(stat.prompt_id) for stat in stats]
        signal = float(np.nan_to_num(numbers(ctx.pool, self.key, self.path)[indices]).mean())
        self._mu = min(max(self._mu + self.shift(accuracy, signal), 0.0), len(ctx.pool) - 1.0)

    def shift(self, accuracy: float, signal: float) -> float:
        """Positions to move by."""
        step = self.stride * (math.tanh(self.slope * (accuracy - self.target)) + math.tanh(self.slope * signal))
        return min(max(step, self.low), self.high)

    def metrics(self) -> dict[str, float]:
        """Where the Gaussian is."""
        return {"gain_position": self._mu}

    def state_dict(self) -> dict[str, Any]:
        """The position."""
        return {"mu": self._mu}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._mu = float(state["mu"])


@functools.lru_cache(maxsize=2)
def _ranks(pool: PromptPool, key: str, path: str | None) -> np.ndarray:
    """[P] float64 rank of every prompt by descending signal; ties in the pool's order, prompts without a signal last."""
    ranks = np.empty(len(pool))
    ranks[np.argsort(-numbers(pool, key, path), kind="stable")] = np.arange(len(pool))
    return ranks
