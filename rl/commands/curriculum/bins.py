"""Long tables made short: means over equal stretches of steps."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LINES = 12
"""Lines of a table, at most."""


def stretches(count: int, *, lines: int = LINES) -> list[range]:
    """At most ``lines`` ranges that cover ``count`` rows."""
    edges = np.unique(np.linspace(0, count, min(lines, count) + 1).round().astype(int)).tolist()
    return [range(a, b) for a, b in itertools.pairwise(edges)]


def mean_of(rows: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """Over the rows that have the key and a number there; None if none does."""
    values = [float(row[key]) for row in rows if row.get(key) is not None]
    return float(np.mean(values)) if values else None


def figure(value: float | None, spec: str = ".3f") -> str:
    """Formatted, '-' for None."""
    return "-" if value is None else format(value, spec)


def label(steps: Sequence[int]) -> str:
    """``12`` or ``12-23``."""
    return str(steps[0]) if len(steps) == 1 else f"{steps[0]}-{steps[-1]}"
