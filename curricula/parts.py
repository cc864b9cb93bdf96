"""The parts of a stack, asked together: one answer from whoever has an opinion on a hook."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from curricula.base import Ctx, Curriculum, overrides
from curricula.traits import Trait


class Parts:
    """Parts by slot, in the order of the hooks."""

    def __init__(self, slots: Mapping[str, Curriculum]) -> None:
        self.slots = dict(slots)

    def __iter__(self) -> Iterator[Curriculum]:
        """The parts themselves."""
        return iter(self.slots.values())

    def having(self, hook: str) -> Iterator[Curriculum]:
        """Parts with an opinion on a hook."""
        return (part for part in self if overrides(part, hook))

    def only(self, hook: str) -> Curriculum:
        """The part that answers an exclusive hook; the conflict rules made sure that there is exactly one."""
        return next(self.having(hook))

    def opinion(self, hook: str, *args: Any) -> np.ndarray | None:
        """The answer of the one part that overrides the hook, if there is one."""
        return next((getattr(part, hook)(*args) for part in self.having(hook)), None)

    def smallest(self, hook: str, ctx: Ctx, indices: np.ndarray) -> np.ndarray | None:
        """[K] int64 smallest answer for prompts [K] of the parts that have one."""
        answers = [getattr(part, hook)(ctx, indices) for part in self]
        opinions = [answer for answer in answers if answer is not None]
        return np.minimum.reduce(opinions).astype(np.int64) if opinions else None

    def skipped(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] bool, True where some part passes over a prompt."""
        out = np.zeros(len(indices), dtype=bool)
        for part in self:
            skip = part.skip(ctx, indices)
            if skip is not None:
                out |= skip
        return out

    def have(self, trait: Trait) -> bool:
        """Whether some part has the trait."""
        return any(trait in part.traits for part in self)

    def state_dict(self) -> dict[str, Any]:
        """The parts' own states, by slot."""
        return {slot: part.state_dict() for slot, part in self.slots.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore.

        Raises:
            ValueError: if the slots are not those of the checkpoint.
        """
        if list(state) != list(self.slots):
            raise ValueError(
                f"the checkpoint's curriculum has slots {list(state)}, this one {list(self.slots)}"
            )
        for slot, part in self.slots.items():
            part.load_state_dict(state[slot])
