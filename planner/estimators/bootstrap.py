"""Confidence intervals for benchmark figures: the problem, not the sample, is the unit that is resampled.

See docs/methods/pass_at_k.md#intervals.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

RESAMPLES = 10_000
MIN_SEEDS = 3
_EQUAL = 1e-12
_CHUNK = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A point estimate with its confidence limits."""

    value: float
    low: float
    high: float
    """NaN limits: too few units to say anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(Interval):
    """After minus before, on the same problems."""

    probability_positive: float
    """Share of resamples in which it is above 0, ties counted half."""

    @property
    def excludes_zero(self) -> bool:
        """True if the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def bootstrap_mean(
    values: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
    bounds: tuple[float, float] | None = (0.0, 1.0),
) -> Interval:
    """Mean over problems with a percentile interval.

    Resampling problems carries both the spread between problems and the sampling noise within each, since
    problems are independent; it agrees with sd / sqrt(M). Where every problem has the same value there is
    nothing to resample, and the interval is what M equal problems rule out (``unseen``): 8 of 8 gives .676 to
    1, as Wilson's does.

    Args:
        values: [M] one unbiased estimate for each problem, e.g. ``pass_at_k(n, c, k)``.
        confidence: of the interval.
        resamples: bootstrap replicates.
        seed: of the replicates; the same values and seed give the same interval.
        bounds: what a value can be; None where that is not known, and equal values then have NaN limits.
    """
    problems = _vector(values)
    value = float(problems.mean())
    if len(problems) > 1 and np.ptp(problems) < _EQUAL:
        low, high = unseen(value, len(problems), bounds=bounds, confidence=confidence)
    else:
        low, high = (
            _limits(_resampled_means(problems, resamples, seed), confidence)
            if len(problems) > 1
            else (np.nan, np.nan)
        )
    return Interval(value=value, low=low, high=high)


def paired_difference(
    before: ArrayLike,
    after: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
    bounds: tuple[float, float] | None = (-1.0, 1.0),
) -> Difference:
    """Mean of after - before over problems [M] in the same order, with a percentile interval from resampling
    the pairs.

    Where all differ by the same the interval is what M such pairs rule out (``unseen``): 8 problems, none
    changed, -.324 to .324.

    Raises:
        ValueError: if the lengths differ.
    """
    first, second = _vector(before), _vector(after)
    if first.shape != second.shape:
        raise ValueError(
            f"a paired difference needs the same problems: {len(first)} before, {len(second)} after"
        )
    return _difference(second - first, _resampled_means(second - first, resamples, seed), confidence, bounds)


def seeds_difference(
    differences: ArrayLike, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """Mean difference over training seeds and problems, with both counted as random.

    Each replicate draws seeds, then problems, with replacement. All seeds are scored on the same problems, so
    a replicate uses one draw of problems for all its seeds: drawing them anew for each would shrink the
    problems' share of the variance by the number of seeds.

    Args:
        differences: [S, M] after - before for each training seed and problem.
        confidence: of the interval.
        resamples: bootstrap replicates.
        seed: of the replicates.

    Raises:
        ValueError: for fewer than 3 seeds; report the seeds one by one then.
    """
    table = np.asarray(differences, dtype=np.float64)
    if table.ndim != 2 or len(table) < MIN_SEEDS:
        raise ValueError(
            f"differences of shape {table.shape}: an interval over seeds needs [S, M] with at least"
            f" {MIN_SEEDS} seeds"
        )
    rng = np.random.default_rng(seed)
    num_seeds, num_problems = table.shape
    means = []
    for size in _chunks(resamples, num_seeds * num_problems):
        by_problem = table[rng.integers(0, num_seeds, (size, num_seeds))].mean(axis=1)
        draw = rng.integers(0, num_problems, (size, num_problems))
        means.append(np.take_along_axis(by_problem, draw, axis=1).mean(axis=1))
    return _difference(table.mean(axis=0), np.concatenate(means), confidence)


def unseen(
    value: float, size: int, *, bounds: tuple[float, float] | None, confidence: float
) -> tuple[float, float]:
    """Limits of a mean over problems where all ``size`` of them gave the same ``value``.

    A share of the problems up to Wilson's upper limit of 0 out of ``size`` may be of a kind that was not met,
    and lie anywhere within ``bounds``. At either bound that is Wilson's interval of all or none. NaN where no
    bounds are known.
    """
    low, high = bounds or (np.nan, np.nan)
    if not low <= value <= high:
        return float("nan"), float("nan")
    share = float(wilson(0, size, confidence=confidence)[1])
    return value - share * (value - low), value + share * (high - value)


def wilson(c: ArrayLike, n: ArrayLike, *, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score limits (low, high), each [...], for a success probability from c of n independent samples.

    Monotone maps of p keep coverage, so limits of pass@k for one problem are ``1 - (1 - limit) ** k``.
    """
    trials, right = np.asarray(n, dtype=np.float64), np.asarray(c, dtype=np.float64)
    if np.any(trials < 1) or np.any((right < 0) | (right > trials)):
        raise ValueError("wilson: needs n >= 1 and c between 0 and n")
    z = float(norm.ppf(0.5 + confidence / 2))
    rate = right / trials
    scale = 1 + z**2 / trials
    centre = (rate + z**2 / (2 * trials)) / scale
    half = z / scale * np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def _difference(
    per_problem: np.ndarray,
    means: np.ndarray,
    confidence: float,
    bounds: tuple[float, float] | None = (-1.0, 1.0),
) -> Difference:
    if len(per_problem) > 1 and np.ptp(means) < _EQUAL:
        low, high = unseen(float(per_problem.mean()), len(per_problem), bounds=bounds, confidence=confidence)
    else:
        low, high = _limits(means, confidence) if len(per_problem) > 1 else (np.nan, np.nan)
    positive = float((means > 0).mean() + 0.5 * (means == 0).mean())
    return Difference(value=float(per_problem.mean()), low=low, high=high, probability_positive=positive)


def _resampled_means(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """[resamples] means of values [M] drawn with replacement."""
    rng = np.random.default_rng(seed)
    size = len(values)
    return np.concatenate(
        [values[rng.integers(0, size, (rows, size))].mean(axis=1) for rows in _chunks(resamples, size)]
    )


def _chunks(resamples: int, width: int) -> list[int]:
    """Replicates split so that no temporary array holds more than ``_CHUNK`` numbers."""
    rows = max(1, _CHUNK // width)
    return [min(rows, resamples - start) for start in range(0, resamples, rows)]


def _limits(means: np.ndarray, confidence: float) -> tuple[float, float]:
    low, high = np.quantile(means, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def _vector(values: ArrayLike) -> np.ndarray:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or not vector.size:
        raise ValueError(
            f"values of shape {vector.shape}: one number for each problem is needed, and at least one problem"
        )
    return vector
