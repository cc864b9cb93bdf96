"""Which category: DUMP (arXiv 2504.09710), upper confidence bounds over sliding windows of advantage
magnitudes.

See docs/methods/categories.md#dump.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.categories.advantage_magnitude import Magnitude, group_magnitude
from curricula.drawing.weighted import softmax
from curricula.traits import Trait
from rollout.types import RolloutStat


@dataclass(kw_only=True, eq=False)
class UpperConfidence(Curriculum):
    """P(c) = softmax(UCB / temperature), recomputed every step from raw outcomes over all groups, kept or
    dropped.

    The released code also feeds mean test rewards into the same update; no evaluation reaches a curriculum
    here. Prompts inside a category are drawn without replacement within a step.
    """

    window: Annotated[int, Field(ge=1)] = 300
    """Rollouts of a category that its mean is taken over."""
    temperature: Annotated[float, Field(gt=0)] = 0.1
    reward: Magnitude = "std"
    """See ``curricula.categories.advantage_magnitude``."""

    def __post_init__(self) -> None:
        self._windows: dict[str, list[tuple[int, float]]] = {}
        self._counts: dict[str, int] = {}

    @property
    def traits(self) -> frozenset[Trait]:
        """GRPO's |A| of one success is .75 in a group of 4 and .36 in one of 28."""
        return frozenset({Trait.SIZE_DEPENDENT_MAGNITUDE} if self.reward == "grpo" else ())

    def category_logits(self, ctx: Ctx) -> np.ndarray:
        """[C] upper confidence bounds over the temperature; a category never seen has the largest bonus."""
        names = ctx.pool.category_names
        counts = np.array([self._counts.get(name, 0) for name in names])
        return upper_bounds(np.array([self._mean(name) for name in names]), counts) / self.temperature

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Append every group to its category's window."""
        correct, sizes = (
            np.array([getattr(stat, name) for stat in stats]) for name in ("num_correct", "num_rollouts")
        )
        for stat, magnitude in zip(stats, group_magnitude(correct, sizes, self.reward).tolist(), strict=True):
            if not np.isnan(magnitude):
                self._append(stat.category, stat.num_rollouts, magnitude)

    def metrics(self) -> dict[str, float]:
        """Window mean and probability of each category that was seen."""
        names = list(self._counts)
        means = np.array([self._mean(name) for name in names])
        if not names:
            return {}
        shares = softmax(upper_bounds(means, np.array(list(self._counts.values()))) / self.temperature)
        return {f"dump_mean/{name}": float(mean) for name, mean in zip(names, means, strict=True)} | {
            f"dump_share_of_seen/{name}": float(share) for name, share in zip(names, shares, strict=True)
        }

    def state_dict(self) -> dict[str, Any]:
        """Windows and counts by category name."""
        return {
            "windows": {c: [list(item) for item in w] for c, w in self._windows.items()},
            "counts": dict(self._counts),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._windows = {c: [(int(n), float(value)) for n, value in w] for c, w in state["windows"].items()}
        self._counts = dict(state["counts"])

    def _append(self, category: str, num_rollouts: int, magnitude: float) -> None:
        """Add a group of equal values, forgetting the oldest rollouts beyond the window."""
        kept = [(num_rollouts, magnitude), *reversed(self._windows.get(category, []))]
        room, trimmed = self.window, []
        for n, value in kept:
            if room > 0:
                trimmed.append((min(n, room), value))
            room -= n
        self._windows[category] = trimmed[::-1]
        self._counts[category] = self._counts.get(category, 0) + num_rollouts

    def _mean(self, category: str) -> float:
        window = self._windows.get(category, [])
        return sum(n * value for n, value in window) / sum(n for n, _ in window) if window else 0.0


def upper_bounds(means: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """[C] mean + sqrt(2 ln(n_total + 1) / (n + 1)) for rollouts n [C] ever seen."""
    return means + np.sqrt(2 * np.log(counts.sum() + 1) / (counts + 1))
