"""One row of the table of ``t2rl passk``."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """pass@k of one set of problems."""

    category: str
    problems: int
    k: int
    value: float
    low: float
    high: float
    forecast: bool
    """True beyond the smallest n."""
    models: dict[str, float]
    """Estimates by other models of pass@k; empty for k <= n, which needs none."""

    def plain(self) -> dict[str, Any]:
        """For ``--json``."""
        said = [self.value, *self.models.values()]
        between = (
            {"model_low": min(said), "model_high": max(said), "models": self.models} if self.forecast else {}
        )
        head = {name: getattr(self, name) for name in ("category", "problems", "k", "value", "low", "high")}
        return {**head, "kind": "forecast" if self.forecast else "unbiased", **between}
