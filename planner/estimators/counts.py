"""Checked per-problem counts: n samples, c of them right."""

import numpy as np
from numpy.typing import ArrayLike


def checked(n: ArrayLike, c: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Broadcast to int64 vectors [M].

    Raises:
        ValueError: no problem, n < 0, c outside 0..n, or figures that are not whole.
    """
    trials, right = np.broadcast_arrays(np.asarray(n), np.asarray(c))
    trials, right = np.atleast_1d(trials), np.atleast_1d(right)
    if trials.ndim != 1 or not trials.size:
        raise ValueError(
            f"counts of shape {trials.shape}: one (n, c) for each problem is needed, and at least one problem"
        )
    whole = trials.astype(np.int64), right.astype(np.int64)
    if np.any(whole[0] != trials) or np.any(whole[1] != right):
        raise ValueError("counts: n and c are whole numbers")
    if np.any((right < 0) | (right > trials)):
        raise ValueError("counts: c, the right samples of a problem, lies between 0 and n")
    return whole
