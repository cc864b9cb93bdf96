"""The prompts of a run as columns, so that no hook ever walks over a million objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rollout.types import Prompt


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PromptPool:
    """Columns of the training prompts; index i means the same prompt in every column, hook and plan."""

    ids: tuple[str, ...]
    category_names: tuple[str, ...]
    """Sorted, so that codes do not depend on the order of the prompts."""
    categories: np.ndarray
    """[P] int32 index into ``category_names``."""
    difficulties: np.ndarray
    """[P] int32."""
    by_category: tuple[np.ndarray, ...]
    """Per category code, the [P_c] int64 indices of its prompts, ascending."""
    metadata: tuple[Mapping[str, Any], ...] = ()
    """[P] what the task knows of each prompt, or nothing; read as columns by
    ``curricula.prompts.columns``."""

    def __len__(self) -> int:
        """Number of prompts."""
        return len(self.ids)

    @classmethod
    def from_prompts(cls, prompts: Sequence[Prompt]) -> "PromptPool":
        """Read the columns, once.

        Raises:
            ValueError: if there is no prompt, or two share an id.
        """
        if not prompts:
            raise ValueError("the prompt pool is empty: the task gave no training prompts")
        ids = tuple(prompt.id for prompt in prompts)
        if len(set(ids)) < len(ids):
            duplicates = sorted({i for i in ids if ids.count(i) > 1}) if len(ids) < 10_000 else []
            raise ValueError(
                f"prompt ids are not unique {duplicates[:5]}: every prompt of the training split needs its"
                " own id"
            )
        names, codes = np.unique([prompt.category for prompt in prompts], return_inverse=True)
        categories = codes.astype(np.int32)
        return cls(
            ids=ids,
            category_names=tuple(str(name) for name in names),
            categories=categories,
            difficulties=np.array([prompt.difficulty for prompt in prompts], dtype=np.int32),
            by_category=tuple(np.flatnonzero(categories == code) for code in range(len(names))),
            metadata=tuple(prompt.metadata for prompt in prompts),
        )
