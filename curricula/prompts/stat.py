"""Which prompts: those that need the skills that fail (STAT-Sel, arXiv 2510.10023).

See docs/methods/prompts.md#stat.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from curricula.pool import PromptPool
from curricula.prompts.columns import read_tags
from rollout.types import RolloutStat


@dataclass(kw_only=True, eq=False)
class SkillTargeted(Curriculum):
    """P(prompt) proportional to the sum over its tags of (misses of the tag + epsilon).

    The paper lets a teacher name the skills that a failed answer lacked. Without one a failure counts against
    every tag of its prompt: attribution by tag, not a diagnosis. It profiles a validation split; here
    training rollouts are all there is.
    """

    key: str = "skills"
    """Key of the tags in the prompts' metadata: a string or a list. A prompt without any counts under its
    category."""
    weigh: Literal["count", "rate"] = "count"
    """``count`` failures, as published: a skill drawn more often also fails more often and is drawn still
    more. ``rate``: failures per rollout."""
    epsilon: Annotated[float, Field(ge=0)] = 1.0
    """Added to every tag's count, or, for ``rate``, to its failures and its rollouts: a tag never seen is not
    forgotten."""
    discount: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Weight of counts one plan older."""

    def __post_init__(self) -> None:
        self._misses: dict[str, float] = {}
        self._trials: dict[str, float] = {}

    def check_pool(self, pool: PromptPool) -> None:
        """Tags must be strings."""
        read_tags(pool, self.key)

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] log of the summed shares of the prompts' tags."""
        columns = read_tags(ctx.pool, self.key)
        shares = self.shares(columns.names)
        with np.errstate(divide="ignore"):
            return np.log(columns.sum_by_prompt(shares))[indices]

    def shares(self, names: Sequence[str]) -> np.ndarray:
        """[names] weights that sum to 1; equal before any failure where ``epsilon`` is 0."""
        misses = np.array([self._misses.get(name, 0.0) for name in names]) + self.epsilon
        if self.weigh == "rate":
            trials = np.array([self._trials.get(name, 0.0) for name in names]) + self.epsilon
            misses = np.divide(misses, trials, out=np.zeros(len(names)), where=trials > 0)
        return misses / misses.sum() if misses.sum() > 0 else np.full(len(names), 1 / len(names))

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Charge failures to the tags."""
        columns = read_tags(ctx.pool, self.key)
        for counts in (self._misses, self._trials):
            counts.update({tag: self.discount * value for tag, value in counts.items()})
        for stat in stats:
            for tag in columns.of(ctx.store.index_of(stat.prompt_id)):
                self._misses[tag] = self._misses.get(tag, 0.0) + stat.num_rollouts - stat.num_correct
                self._trials[tag] = self._trials.get(tag, 0.0) + stat.num_rollouts

    def metrics(self) -> dict[str, float]:
        """Share of each tag that was seen."""
        names = list(self._misses)
        return (
            {
                f"stat_share_of_seen/{name}": float(s)
                for name, s in zip(names, self.shares(names), strict=True)
            }
            if names
            else {}
        )

    def state_dict(self) -> dict[str, Any]:
        """Counts by tag."""
        return {"misses": dict(self._misses), "trials": dict(self._trials)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._misses, self._trials = dict(state["misses"]), dict(state["trials"])
