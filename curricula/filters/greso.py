"""GRESO: pass over prompts that lately gave no gradient, before any rollout is spent on them.

See docs/methods/filters.md#greso.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.drawing.coin import coin
from curricula.filters.runs import ExtremeRuns
from curricula.traits import Trait
from rollout.types import RolloutStat

Rate = Annotated[float, Field(ge=0, le=1)]
EASY, HARD = "easy", "hard"
LEAST, MOST = 0.05, 0.95
"""Bounds of the base probabilities of being looked at."""
ROUNDING = 1e-9
"""A share that meets its target exactly must not miss it by a rounding error."""


@dataclass(kw_only=True)
class Greso(Curriculum):
    """Skip with probability ``1 - max(p^z, floor)`` after z easy, or z hard, visits in a row (arXiv
    2506.02177).

    Easy and hard prompts each have their own p, steered after the first epoch so that their shares of a
    plan's groups meet targets: a share at or above its target lowers p by ``rate``, one below raises it. The
    adaptive batch size of the released code is left out: refills ask for exactly what is missing. No prompt
    is lost for good, since ``floor`` of the time it is looked at again.
    """

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.SKIPS_UNSOLVED})

    easy_from: Rate = 0.98
    """A visit with at least this pass rate is easy."""
    hard_up_to: Rate = 0.11
    """A visit with at most this pass rate is hard."""
    start: Rate = 0.5
    """First value of p."""
    target: Rate = 0.25
    """Share of a plan's groups that may be extreme."""
    easy_share: Rate = 1 / 3
    """Share of the target that may be easy; the rest may be hard."""
    rate: Annotated[float, Field(ge=0, le=0.5)] = 0.01
    floor: Annotated[float, Field(gt=0, le=1)] = 0.01

    def __post_init__(self) -> None:
        if self.hard_up_to >= self.easy_from:
            raise ValueError(
                f"greso: hard_up_to={self.hard_up_to:g} must be below easy_from={self.easy_from:g}"
            )
        self._runs = ExtremeRuns(easy=self.easy_from, hard=self.hard_up_to)
        self._base = {EASY: self.start, HARD: self.start}
        self._groups = 0

    def skip(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] by a coin of each prompt's own."""
        return coin(ctx, "greso", indices) < self.skip_probability(self._runs.at(ctx, indices)[0])

    def skip_probability(self, runs: np.ndarray) -> np.ndarray:
        """[K] for signed run lengths [K]; with p = .5, runs of 1, 2, 3, 7 give .5, .75, .875, .99."""
        base = np.where(runs > 0, self._base[EASY], self._base[HARD])
        return np.where(runs == 0, 0.0, 1 - np.maximum(base ** np.abs(runs), self.floor))

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Extend the runs; after an epoch's worth of groups, steer p."""
        if not stats:
            return
        first_epoch = self._groups < len(ctx.pool)
        kinds = self._runs.add(ctx, stats)
        self._groups += len(stats)
        if first_epoch:
            return
        for name, kind, share in ((EASY, 1, self.easy_share), (HARD, -1, 1 - self.easy_share)):
            enough = float((kinds == kind).mean()) >= share * self.target - ROUNDING
            moved = self._base[name] + (-self.rate if enough else self.rate)
            self._base[name] = float(np.clip(moved, LEAST, MOST))

    def metrics(self) -> dict[str, float]:
        """How many prompts are in a run, and the base probabilities."""
        runs = self._runs.lengths()
        return {
            "greso_easy_prompts": float((runs > 0).sum()),
            "greso_hard_prompts": float((runs < 0).sum()),
            "greso_easy_base": self._base[EASY],
            "greso_hard_base": self._base[HARD],
        }

    def state_dict(self) -> dict[str, Any]:
        """Runs, base probabilities, groups so far."""
        return {"runs": self._runs.state_dict(), "base": dict(self._base), "groups": self._groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore."""
        self._runs.load_state_dict(state["runs"])
        self._base, self._groups = dict(state["base"]), state["groups"]
