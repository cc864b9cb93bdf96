"""A column whose rows are lists of numbers, kept end to end."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Lists:
    """[rows] lists of numbers."""

    values: np.ndarray
    """[sum of lengths] the lists end to end; NaN is null."""
    lengths: np.ndarray
    """[rows] int."""
    missing: np.ndarray | None = None
    """[rows] bool, True where the whole list is null."""
