"""Figures of plans for the log: how each was made, and, once it is observed, its ratios on raw
correctness."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from curricula.measures.effective import difficulty_buckets, effective_ratios
from rollout.types import RolloutStat


@dataclass(slots=True)
class PlanMetrics:
    """Figures by plan until it is observed, and those of the last one that was."""

    planned: dict[int, dict[str, float]] = field(default_factory=dict)
    """Plan -> how it was made."""
    last: dict[str, float] = field(default_factory=dict)
    """Figures of the last plan observed."""

    def observe(self, step: int, stats: Sequence[RolloutStat]) -> None:
        """The groups of plan ``step``."""
        ratios = prefixed({**effective_ratios(stats), **difficulty_buckets(stats)})
        self.last = {**self.planned.pop(step), **ratios}

    def state_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "plan_metrics": [[step, dict(metrics)] for step, metrics in self.planned.items()],
            "last_metrics": dict(self.last),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore; other keys are left alone."""
        self.planned = {step: dict(metrics) for step, metrics in state["plan_metrics"]}
        self.last = dict(state["last_metrics"])


def prefixed(figures: Mapping[str, float]) -> dict[str, float]:
    """Keys as the log has them."""
    return {f"curriculum/{key}": value for key, value in figures.items()}
