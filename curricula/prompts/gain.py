"""Which prompts: along the order of a signal, under a Gaussian that moves as accuracy grows (GAIN-RL, arXiv
2506.02281).

See docs/methods/prompts.md#gain-rl.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.measures.prompt_signals import PromptSignals
from curricula.pool import PromptPool
from curricula.prompts.columns import numbers
from rollout.arrays import decode, encode
from rollout.types import RolloutStat

Positive = Annotated[float, Field(gt=0)]


@dataclass(kw_only=True, eq=False)
class GainOrder(Curriculum):
    """P(prompt at rank j) proportional to exp(-((j - mu) / width)^2 / 2), ranks by descending signal, mu = 0
    at the start.

    After a plan mu += clip(stride * tanh(slope * (accuracy - target)) + stride * tanh(slope * signal), low,
    high), with the plan's raw accuracy and the mean signal of its prompts, and stays inside the pool.

    The signal is one number for a prompt (see ``curricula.prompts.angle``). With ``source="learner"`` the
    run's own model gives it: the whole pool is prefilled once, before the first plan, for the order; the
    prompts of each plan again after its batch, for the move. With ``given`` it is read from the metadata or a
    file, and stays what it was.

    Positions are counted in prompts: 500 and 1000 suit pools of some thousands; scale them with the pool.
    """

    source: Literal["given", "learner"] = "given"
    w_inter: Annotated[float, Field(ge=0)] = 1.0
    """Weight within the learner's signal: C_intra + w_inter * C_inter; 1 in the paper's description, 8 in its
    code."""
    key: str = "angle"
    """Key of a given signal, in the prompts' metadata or in the rows of ``path``."""
    path: str | None = None
    """File of a given signal: JSONL with rows ``{"id": ..., key: number}``; None = the metadata."""
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
        if self.source == "learner" and self.path is not None:
            raise ValueError(
                "gain: path gives a signal, source=learner measures it; leave one of the two out"
            )
        self._mu, self._signal = 0.0, 0.0
        self._measured: np.ndarray | None = None
        """[P] ranks by the learner's signal of before the first plan."""

    @property
    def signal_columns(self) -> tuple[str, ...]:
        """Angles, unless they are given."""
        return ("intra", "inter") if self.source == "learner" else ()

    def wanted_signals(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> np.ndarray:
        """The whole pool before the first plan, then each plan's prompts."""
        if self.source == "given":
            return super().wanted_signals(ctx, stats)
        if ctx.step < 0:
            return np.arange(len(ctx.pool))
        return np.array([ctx.store.index_of(stat.prompt_id) for stat in stats], dtype=np.int64)

    def check_pool(self, pool: PromptPool) -> None:
        """Every prompt needs a signal, unless it is measured."""
        if self.source == "learner":
            return
        missing = np.flatnonzero(np.isnan(numbers(pool, self.key, self.path)))
        if missing.size:
            where = f"metadata[{self.key!r}]" if self.path is None else f"row in {self.path}"
            raise ValueError(
                f"{missing.size} of {len(pool)} prompts have no {where}, e.g. {pool.ids[missing[0]]!r}:"
                " compute the signal of every training prompt with curricula.prompts.angle.angle_signal and"
                " give it as metadata or as args.path, or have it measured in the run with"
                " args.source=learner"
            )

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] the Gaussian's exponent at the prompts' ranks in the pool."""
        if self.source == "given":
            ranks = _given_ranks(ctx.pool, self.key, self.path)
        else:
            assert self._measured is not None, "the learner is asked before the first plan"
            ranks = self._measured
        return -0.5 * ((ranks[indices] - self._mu) / self.width) ** 2

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Move the Gaussian; before the first plan, take the learner's order."""
        if ctx.step < 0 and ctx.signals is not None and self.source == "learner":
            self._measured = _ranks(self._angles(ctx.signals))
        if not stats:
            return
        accuracy = sum(stat.num_correct for stat in stats) / sum(stat.num_rollouts for stat in stats)
        indices = np.array([ctx.store.index_of(stat.prompt_id) for stat in stats])
        self._signal = float(np.nan_to_num(self._signals(ctx, indices)).mean())
        self._mu = min(max(self._mu + self.shift(accuracy, self._signal), 0.0), len(ctx.pool) - 1.0)

    def _signals(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] of prompts [K], as new as they are to be had."""
        if self.source == "given":
            return numbers(ctx.pool, self.key, self.path)[indices]
        assert ctx.signals is not None, "the learner was asked"
        return self._angles(ctx.signals)[ctx.signals.rows(indices)]

    def _angles(self, signals: PromptSignals) -> np.ndarray:
        return signals.columns["intra"] + self.w_inter * signals.columns["inter"]

    def shift(self, accuracy: float, signal: float) -> float:
        """Positions to move by."""
        step = self.stride * (
            math.tanh(self.slope * (accuracy - self.target)) + math.tanh(self.slope * signal)
        )
        return min(max(step, self.low), self.high)

    def metrics(self) -> dict[str, float]:
        """Where the Gaussian is, and the mean of the last plan's signals if they are measured."""
        return {"gain_position": self._mu} | (
            {"gain_signal": self._signal} if self.source == "learner" else {}
        )

    def state_dict(self) -> dict[str, Any]:
        """The position, and what was measured."""
        measured = (
            {} if self._measured is None else {"signal": self._signal, "measured": encode(self._measured)}
        )
        return {"mu": self._mu, **measured}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave.

        Raises:
            ValueError: if the checkpoint's signal was given and this one is measured, or the other way round.
        """
        if (self.source == "learner") != ("measured" in state):
            raise ValueError(
                f"the checkpoint's gain had another source than {self.source}: set args.source back, or start"
                " a new run"
            )
        self._mu, self._signal = float(state["mu"]), float(state.get("signal", 0.0))
        self._measured = decode(state["measured"]) if "measured" in state else None


@functools.lru_cache(maxsize=2)
def _given_ranks(pool: PromptPool, key: str, path: str | None) -> np.ndarray:
    """[P] of the signal in the metadata or a file."""
    return _ranks(numbers(pool, key, path))


def _ranks(signal: np.ndarray) -> np.ndarray:
    """[P] float64 rank of every prompt by descending signal; ties in the pool's order, prompts without a
    signal (NaN) last."""
    ranks = np.empty(len(signal))
    ranks[np.argsort(-signal, kind="stable")] = np.arange(len(signal))
    return ranks
