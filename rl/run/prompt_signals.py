"""Asks the learner about prompts where a curriculum part wants to know: never the engines, and only if the
config says so."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from curricula.measures.prompt_signals import PromptSignals
from rollout.types import Prompt

if TYPE_CHECKING:
    from rl.learner.group import LearnerGroup

PROMPTS_PER_CALL = 4096
"""Bounds what one call moves between processes, and how long it takes."""


class PromptSignalSource:
    """The learner's columns on prompts of the pool. Ask between two optimizer steps."""

    def __init__(self, learner: "LearnerGroup", prompts: Sequence[Prompt], columns: Sequence[str]) -> None:
        self._learner, self._prompts, self._columns = learner, prompts, columns
        self._template = shared_tokens([prompt.token_ids for prompt in prompts])

    async def ask(self, indices: np.ndarray, *, version: int) -> PromptSignals:
        """Ask the learner about prompts [K], ascending, under its weights of now, which are ``version``."""
        parts: list[dict[str, np.ndarray]] = []
        for first in range(0, len(indices), PROMPTS_PER_CALL):
            tokens = [list(self._prompts[i].token_ids) for i in indices[first : first + PROMPTS_PER_CALL]]
            parts.append(
                await self._learner.prompt_signals(tokens, columns=self._columns, template=self._template)
            )
        joined = (
            {name: np.concatenate([part[name] for part in parts]) for name in self._columns} if parts else {}
        )
        return PromptSignals(version=version, indices=indices, columns=joined)


def shared_tokens(prompts: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    """How many tokens all prompts have in common at the beginning and at the end: the template's, found
    without knowing it.

    Two at least are left to every prompt where it has them; a lone prompt shares nothing.
    """
    if len(prompts) < 2:
        return 0, 0
    low, high, room = min(prompts), max(prompts), max(min(map(len, prompts)) - 2, 0)
    # Tokens that the first and the last in order begin with, all between them begin with.
    head = min(_common(low, high), room)
    backwards = [prompt[::-1] for prompt in prompts]
    return head, min(_common(min(backwards), max(backwards)), room - head)


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    different = (place for place, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(different, min(len(a), len(b)))
