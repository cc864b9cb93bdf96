"""The planner's questions and answers."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Mode = Literal["parallel", "sequential"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question to be served."""

    id: str
    """A prompt id of the statistics, or any other id: then its category speaks for it."""
    category: str = "default"
    tokens: float | None = None
    """Expected completion tokens of a sample; None = what the statistics say of the prompt, else of its
    category."""
    prefill: float = 0.0
    """Prompt tokens, paid with the first sample."""
    weight: float = 1.0
    """Value of a right answer, relative to the other queries."""
    prior: tuple[float, float] | None = None
    """Beta (a, b) of this very prompt, from a difficulty probe; None = its category's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPlan:
    """The planner's answer: samples by query; columns [n] in the order of the queries."""

    ids: tuple[str, ...]
    mode: Mode
    strategy: tuple[str, ...]
    """Names in ``planner.strategies.STRATEGIES``."""
    k: np.ndarray
    """int64; in sequential mode and for votes the most samples, drawn until one is accepted or the vote is
    settled."""
    price: float
    """lambda: value per token at the margin."""
    coverage: np.ndarray
    """Probability that some sample of the k is right."""
    correct: np.ndarray
    """Probability that a right answer is returned."""
    wrong: np.ndarray
    """Probability that a wrong one is."""
    tokens: np.ndarray
    """Expected; their sum is at most the budget."""

    @property
    def interval(self) -> tuple[float, float]:
        """Central 95% of the share of queries answered right, given the posteriors (normal, queries
        independent)."""
        n = len(self.ids)
        half = 1.96 * float(np.sqrt((self.correct * (1 - self.correct)).sum())) / n
        mean = float(self.correct.mean())
        return max(0.0, mean - half), min(1.0, mean + half)
