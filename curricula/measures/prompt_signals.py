"""Columns that the learner's own model gives of prompts, from one prefill, for parts that ask for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rollout.arrays import decode, encode

COLUMNS = ("hidden", "intra", "inter")
"""``hidden`` [K, d] float32: last hidden state at the prompt's last token (after the final norm). ``intra``
and ``inter`` [K] float64: mean cosine among the tokens of the question, and between them and the template's,
of the inputs of the last layer's MLP (see ``curricula.prompts.angle``); ``inter`` is 0 for prompts without a
template."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PromptSignals:
    """Columns on K prompts, as of one version of the weights."""

    version: int
    """Optimizer steps behind the weights that were asked."""
    indices: np.ndarray
    """[K] int64 into the pool, ascending, each once."""
    columns: Mapping[str, np.ndarray]
    """Those of ``COLUMNS`` that some part of the stack reads, [K, ...] each."""

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """[J] int64 rows of prompts [J].

        Raises:
            ValueError: if some of them were not asked about.
        """
        places = np.searchsorted(self.indices, indices)
        if not np.isin(indices, self.indices).all():
            raise ValueError("prompts that wanted_signals did not name: a part must ask for what it reads")
        return places

    def state_dict(self) -> dict[str, Any]:
        """JSON-able, exact."""
        columns = {name: encode(values) for name, values in self.columns.items()}
        return {"version": self.version, "indices": encode(self.indices), "columns": columns}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "PromptSignals":
        """Inverse of ``state_dict``."""
        columns = {name: decode(values) for name, values in state["columns"].items()}
        return cls(version=state["version"], indices=decode(state["indices"]), columns=columns)
