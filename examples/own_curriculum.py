r"""A curriculum part of your own: prompts whose estimate is still uncertain come first.

Name it by import path in the slot of the hook that it overrides; check it before you train::

    t2rl curriculum check examples.own_curriculum:Uncertain
    t2rl curriculum simulate uniform --pool rows.jsonl 'curriculum.prompts={name:
    examples.own_curriculum:Uncertain}' t2rl train quickstart 'curriculum.prompts={name:
    examples.own_curriculum:Uncertain, args: {strength: 2}}' ...

A part overrides the hooks that it has an opinion on (``curricula.base.Curriculum`` lists them). Hooks are
asked about index arrays, answer from what they are given and draw random numbers from ``ctx.rng(name)`` only;
``observe`` alone may change the part. What has to survive a restart stands in ``state_dict``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from curricula.base import Ctx, Curriculum
from rollout.types import RolloutStat


class Uncertain(Curriculum):
    """Prompts drawn with weight exp(strength * posterior deviation of the pass rate), Beta(1, 1) before the
    first rollout.

    Args:
        strength: 0 draws all prompts alike.
    """

    def __init__(self, *, strength: float = 10.0) -> None:
        if strength < 0:
            raise ValueError(
                f"strength is {strength}; it must be at least 0, else the best known prompts would come first"
            )
        self.strength = strength
        self._groups = 0

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] from the store's decayed counts: what it once knew of an old policy fades, and the prompt comes
        up again."""
        right, wrong = ctx.store.counts(indices)
        a, b = right + 1, wrong + 1
        return self.strength * np.sqrt(a * b / (a + b + 1)) / (a + b)

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Count the groups, for the log."""
        self._groups += len(stats)

    def metrics(self) -> dict[str, float]:
        """One figure a step."""
        return {"uncertain_groups": float(self._groups)}

    def state_dict(self) -> dict[str, Any]:
        """The count."""
        return {"groups": self._groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore it."""
        self._groups = int(state["groups"])
