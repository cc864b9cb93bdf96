"""Numbers of a run over its steps, and fewer of them where a line has more than a screen can show."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from rl.views.run_view import RunView

MOST = 300
"""Points of a line; a run with more steps is drawn by means of neighbouring ones."""
SMOOTH_FROM = 12
"""Steps from which on a line is a mean over a window; fewer are drawn as they are."""
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Series:
    """[S] values, each at an x that never falls."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, slots=True)
class Smoothed:
    """[P] means over windows of steps, with the limits of their intervals."""

    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    window: int
    """Steps in a window; 1: nothing was averaged, and low and high are the value."""


def steps_of(run: RunView, key: str) -> Series:
    """The values of one metric over the optimizer steps; steps without it are left out."""
    rows = [row for row in run.metrics() if is_number(row.get(key))]
    return Series(np.array([row["step"] for row in rows]), np.array([float(row[key]) for row in rows]))


def is_number(value: object) -> bool:
    """True for a finite number, which a metric need not be: null stands for NaN."""
    return isinstance(value, int | float) and math.isfinite(value)


def keys_under(runs: Sequence[RunView], prefix: str) -> list[str]:
    """The metrics whose names begin so, in alphabetical order."""
    return sorted({key for run in runs for row in run.metrics() for key in row if key.startswith(prefix)})


def smoothed(series: Series) -> Smoothed:
    """The mean over a window of steps around each point with its 95% interval (Student's t; the step is the
    unit). Where the quantity moves within the window the interval is too wide rather than too narrow."""
    n = len(series)
    if n < SMOOTH_FROM:
        return Smoothed(series.x, series.y, series.y, series.y, 1)
    half = max(2, round(n / 40))
    places = np.unique(np.linspace(0, n - 1, min(n, MOST)).round().astype(int))
    starts, ends = np.maximum(places - half, 0), np.minimum(places + half + 1, n)
    counts = ends - starts
    centred = series.y - series.y.mean()  # so that the difference of sums of squares keeps its digits
    sums, squares = _cumulative(centred), _cumulative(centred**2)
    mean = (sums[ends] - sums[starts]) / counts
    variance = np.maximum((squares[ends] - squares[starts]) / counts - mean**2, 0) * counts / (counts - 1)
    margin = student.ppf((1 + CONFIDENCE) / 2, counts - 1) * np.sqrt(variance / counts)
    mean = mean + series.y.mean()
    return Smoothed(series.x[places], mean, mean - margin, mean + margin, 2 * half + 1)


def thinned(series: Series, most: int = MOST) -> Series:
    """At most ``most`` points: means over stretches of equal length."""
    n = len(series)
    if n <= most:
        return series
    edges = np.linspace(0, n, most + 1).round().astype(int)
    counts = np.diff(edges)
    means = np.diff(_cumulative(series.y)[edges]) / counts
    return Series(series.x[edges[1:] - 1], means)


def brief(values: Sequence[float] | np.ndarray, digits: int = 5) -> list[float | None]:
    """The values for a page: so many significant digits, null for NaN."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values]


def _cumulative(values: np.ndarray) -> np.ndarray:
    """[S + 1] sums of the first 0, 1, ... values."""
    return np.concatenate([[0.0], np.cumsum(values)])
