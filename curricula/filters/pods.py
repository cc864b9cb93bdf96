"""PODS: of many rollouts, train on the few whose rewards differ most.

See docs/methods/filters.md#pods.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import TRAIN, Ctx, Curriculum, FilterDecision
from curricula.traits import Trait
from rollout.types import RolloutGroup, RolloutStat


def max_variance_subset(rewards: np.ndarray, keep: int) -> np.ndarray:
    """[keep] ascending positions of the ``keep`` of rewards [n] with the largest variance: the j lowest and
    the keep - j highest.

    j is found by scanning prefix sums, O(n log n); ties go to the smaller j, equal rewards to the earlier
    rollout. Example: [0, 0, 0, 0, 0, .2, .5, 1], keep 4: rewards 0, 0, 0, 1 of variance .1875. With binary
    rewards half and half if there are enough of both.
    """
    order = np.argsort(rewards, kind="stable")
    ranked = rewards[order].astype(np.float64)
    j = np.arange(keep + 1)
    sums = np.concatenate([[0.0], np.cumsum(ranked)])
    squares = np.concatenate([[0.0], np.cumsum(ranked**2)])
    tail = len(ranked) - keep + j  # the highest keep - j start here
    mean = (sums[j] + sums[-1] - sums[tail]) / keep
    variance = (squares[j] + squares[-1] - squares[tail]) / keep - mean**2
    lowest = int(np.flatnonzero(variance >= variance.max() - 1e-12)[0])
    return np.sort(np.concatenate([order[:lowest], order[len(ranked) - keep + lowest :]]))


@dataclass(kw_only=True)
class Pods(Curriculum):
    """Down-sampling of rollouts by maximum reward variance (arXiv 2504.13818).

    The trained group holds the kept rollouts alone, so its advantages are relative to their mean (as in the
    paper); pass rates, statistics and the other filters see the whole group. Variance is of the task's
    reward, before any curriculum shapes it.
    """

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.TRAINS_SUBSET})

    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Rollouts of a group to train on, rounded up and at least two."""
    keep: Annotated[int, Field(ge=2)] | None = None
    """The same as a number, for any group size; takes the place of ``share``."""

    def __post_init__(self) -> None:
        self._trained_share = 1.0

    def num_kept(self, size: int) -> int:
        """Rollouts to train on of a group of ``size``."""
        return min(size, self.keep or max(2, math.ceil(self.share * size)))

    def filter_group(self, ctx: Ctx, group: RolloutGroup) -> FilterDecision:
        """Train on the subset; small groups whole."""
        size = len(group.rollouts)
        keep = self.num_kept(size)
        if keep == size:
            return TRAIN
        return FilterDecision(indices=tuple(int(i) for i in max_variance_subset(group.rewards, keep)))

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """How much of what was sampled trained."""
        sampled = sum(stat.num_rollouts for stat in stats)
        trained = sum(self.num_kept(stat.num_rollouts) for stat in stats if stat.kept)
        self._trained_share = trained / sampled if sampled else 1.0

    def metrics(self) -> dict[str, float]:
        """Share of the last plan's rollouts that went into the gradient."""
        return {"pods_trained_share": self._trained_share}

    def state_dict(self) -> dict[str, Any]:
        """The last figure, for the log."""
        return {"trained_share": self._trained_share}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore it."""
        self._trained_share = state["trained_share"]
