"""Prompts whose pass rates a value head predicted from the learner's hidden states.

See docs/methods/prompts.md#pcl.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from curricula.base import Ctx
from curricula.prompts.rate_head import RateHead
from rollout.types import RolloutStat


class JudgedCandidates:
    """The newest candidates with their predictions, and the head that made them."""

    def __init__(self, head: RateHead) -> None:
        self._head = head
        self.rates: dict[int, float] = {}
        """Index into the pool -> predicted pass rate; empty before the first answer of the learner."""
        self.figures: dict[str, float] = {}
        """``head_error``: mean absolute, on the last plan's groups before the head learnt from them;
        ``head_version`` of the weights that it read."""

    def learn(self, ctx: Ctx, stats: Sequence[RolloutStat], candidates: np.ndarray) -> None:
        """Train the head on a plan's groups, then judge ``candidates`` by it; all of them are among
        ``ctx.signals``."""
        assert ctx.signals is not None, "the learner was asked"
        hidden = ctx.signals.columns["hidden"]
        if stats:
            seen = hidden[ctx.signals.rows(np.array([ctx.store.index_of(stat.prompt_id) for stat in stats]))]
            rates = np.array([stat.num_correct / stat.num_rollouts for stat in stats])
            error = np.abs(self._head.predict(seen) - rates).mean()
            self.figures = {"head_error": float(error), "head_version": float(ctx.signals.version)}
            self._head.update(seen, rates)
        judged = self._head.predict(hidden[ctx.signals.rows(candidates)])
        self.rates = dict(zip(candidates.tolist(), judged.tolist(), strict=True))

    def predictions(self, size: int) -> np.ndarray:
        """[size] by index into the pool, NaN for prompts that are no candidates."""
        out = np.full(size, np.nan)
        out[list(self.rates)] = list(self.rates.values())
        return out

    def state_dict(self) -> dict[str, Any]:
        """JSON-able, exact."""
        rates = [[index, rate] for index, rate in self.rates.items()]
        return {"head": self._head.state_dict(), "rates": rates, "figures": dict(self.figures)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._head.load_state_dict(state["head"])
        self.rates = {int(index): float(rate) for index, rate in state["rates"]}
        self.figures = dict(state["figures"])
