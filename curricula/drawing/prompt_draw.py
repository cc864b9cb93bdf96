"""Which prompts come next: by weight where a part weighs, else in the sampler's order, past those that a part
skips.

See docs/methods/stack.md#from-weights-to-prompts.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from curricula.base import Ctx
from curricula.drawing.walks import Walks
from curricula.drawing.weighted import WeightedOrder
from curricula.parts import Parts
from curricula.pool import PromptPool
from curricula.traits import Trait


class PromptDraw:
    """The place in the order of prompts: all that drawing remembers from plan to plan."""

    def __init__(self, parts: Parts, pool: PromptPool, *, seed: int) -> None:
        self._parts, self._pool = parts, pool
        self._cursor = 0
        self._walks = Walks(seed)
        """Walks of the categories, if a part walks through them."""
        self._drawn: dict[int, list[int]] = {}
        """Plan -> prompts drawn by weight for it and its refills, until it is observed: none of them
        twice."""

    @property
    def epochs(self) -> float:
        """Prompts drawn, in sizes of the pool."""
        return self._cursor / len(self._pool)

    def choose(self, ctx: Ctx, num_prompts: int) -> np.ndarray:
        """[num_prompts] next prompts that no part skips; after a whole epoch of skips, the next ones as they
        come."""
        order = self._weighted_order(ctx)
        chosen: list[np.ndarray] = []
        missing, examined = num_prompts, 0
        while missing and examined < len(self._pool):
            indices = self._next(dataclasses.replace(ctx, examined=examined), missing, order)
            examined += missing
            chosen.append(indices[~self._parts.skipped(ctx, indices)])
            missing -= len(chosen[-1])
        if missing:
            chosen.append(self._next(dataclasses.replace(ctx, examined=examined), missing, order))
        return np.concatenate(chosen)

    def close_plan(self, step: int) -> None:
        """Plan ``step`` is observed, and draws nothing any more."""
        self._drawn.pop(step, None)

    def _weighted_order(self, ctx: Ctx) -> WeightedOrder | None:
        """The order in which prompts come if a part weighs categories or prompts; None leaves it to the
        sampler."""
        category_logits = self._parts.opinion("category_logits", ctx)
        prompt_logits = self._parts.opinion("prompt_logits", ctx, np.arange(len(self._pool)))
        if category_logits is None and prompt_logits is None:
            return None
        return WeightedOrder(
            ctx.rng(f"weighted draw at {self._cursor}"),
            pool=self._pool,
            category_logits=category_logits,
            prompt_logits=prompt_logits,
            exclude=np.array(self._drawn.get(ctx.step, []), dtype=np.int64),
            walks=self._walks if self._parts.have(Trait.WALKS_CATEGORIES) else None,
        )

    def _next(self, ctx: Ctx, num_prompts: int, order: WeightedOrder | None) -> np.ndarray:
        """[num_prompts] by weight, or the sampler's next ones; moves the cursor."""
        if order is not None:
            indices = order.take(num_prompts)
            self._cursor += num_prompts
            self._drawn.setdefault(ctx.step, []).extend(indices.tolist())
            return indices
        drawn = self._parts.only("draw").draw(ctx, self._cursor, num_prompts)
        assert drawn is not None and len(drawn[0]) == num_prompts, (
            "the sampler did not give the prompts it was asked for"
        )
        indices, self._cursor = drawn
        return indices

    def state_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "cursor": self._cursor,
            "walks": self._walks.state_dict(),
            "drawn": [[step, list(drawn)] for step, drawn in self._drawn.items()],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave; other keys are left alone."""
        self._cursor = state["cursor"]
        self._walks.load_state_dict(state["walks"])
        self._drawn = {step: list(drawn) for step, drawn in state["drawn"]}
