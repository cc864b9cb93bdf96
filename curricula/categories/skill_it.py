"""Which category: by what training on it does to the failures of all (Skill-it, arXiv 2307.14430).

See docs/methods/categories.md#skill-it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.drawing.weighted import softmax
from curricula.pool import PromptPool
from rollout.types import RolloutStat


@dataclass(kw_only=True, eq=False)
class SkillIt(Curriculum):
    """P = softmax(eta * A @ (sum of the last ``window`` losses)), recomputed from the window at each of
    ``updates`` times a run.

    A[i, j] says how much training on category i lowers the loss of j. The paper's losses are of a validation
    set; here the loss of a category is the failure rate of its *training* rollouts since the last update (the
    last one known if it had none, 1 before the first), because no curriculum sees held-out data. Without a
    measured graph A is the identity, and this is a softmax of failure rates: it favours what fails, learnable
    or not.
    """

    graph: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Category i -> {category j: A[i, j]}. Left out: 1 on the diagonal, 0 elsewhere."""
    eta: Annotated[float, Field(gt=0)] = 0.5
    window: Annotated[int, Field(ge=1)] = 3
    """Updates whose losses are summed."""
    updates: Annotated[int, Field(ge=1)] = 6
    """Updates in the whole run, evenly spaced."""

    def __post_init__(self) -> None:
        self._history: list[dict[str, float]] = []
        self._since: dict[str, list[int]] = {}

    def check_pool(self, pool: PromptPool) -> None:
        """The graph's names must be the pool's."""
        named = set(self.graph).union(*(row for row in self.graph.values()))
        unknown = sorted(named - set(pool.category_names))
        if unknown:
            raise ValueError(
                f"args.graph names {unknown}, but the prompts' categories are {list(pool.category_names)}"
            )

    def category_logits(self, ctx: Ctx) -> np.ndarray:
        """[C] eta A times the summed losses; categories without one count 1."""
        return skill_logits(
            self._matrix(ctx.pool.category_names), self._losses(ctx.pool.category_names), eta=self.eta
        )

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Count failures; at every update move them into the window."""
        if ctx.step < 0:  # what others asked the learner before the first plan
            return
        for stat in stats:
            failures, trials = self._since.get(stat.category, [0, 0])
            self._since[stat.category] = [
                failures + stat.num_rollouts - stat.num_correct,
                trials + stat.num_rollouts,
            ]
        if (ctx.step + 1) * self.updates // ctx.total_steps > ctx.step * self.updates // ctx.total_steps:
            known = self._history[-1] if self._history else {}
            fresh = {category: failures / trials for category, (failures, trials) in self._since.items()}
            self._history = [*self._history, known | fresh][-self.window :]
            self._since = {}

    def metrics(self) -> dict[str, float]:
        """Losses of the last update, and the shares among the categories they cover."""
        last = self._history[-1] if self._history else {}
        names = tuple(last)
        shares = (
            softmax(skill_logits(self._matrix(names), self._losses(names), eta=self.eta)) if names else ()
        )
        return {f"skill_it_loss/{name}": loss for name, loss in last.items()} | {
            f"skill_it_share_of_seen/{name}": float(share) for name, share in zip(names, shares, strict=True)
        }

    def state_dict(self) -> dict[str, Any]:
        """The window of losses and the counts since the last update."""
        return {
            "history": [dict(losses) for losses in self._history],
            "since": {c: list(v) for c, v in self._since.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._history = [dict(losses) for losses in state["history"]]
        self._since = {c: list(v) for c, v in state["since"].items()}

    def _matrix(self, names: Sequence[str]) -> np.ndarray:
        rows = [[self.graph.get(i, {}).get(j, float(i == j)) for j in names] for i in names]
        return np.array(rows)

    def _losses(self, names: Sequence[str]) -> np.ndarray:
        """[C] summed over the window; before the first update all losses are 1."""
        window = self._history or [{}]
        return np.array([sum(losses.get(name, 1.0) for losses in window) for name in names])


def skill_logits(graph: np.ndarray, summed_losses: np.ndarray, *, eta: float) -> np.ndarray:
    """[C] log-weights eta * A [C, C] @ losses [C]."""
    return eta * graph @ summed_losses
