"""Difficulty clusters over a family of checkpoints: which problems behave predictably, and from their score
to the whole set's.

After clustering-on-difficulty (arXiv 2502.17262): problems whose pass rates never rise over the family, or
rise and fall, are left out; the rest is extrapolated cluster by cluster; a monotone map takes the retained
score to the full set's.

See docs/methods/pass_at_k.md#difficulty-clusters.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.cluster.vq import kmeans2
from scipy.interpolate import PchipInterpolator


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Clusters of problems by their pass-rate vector over checkpoints, weakest checkpoint first."""

    label: np.ndarray
    """[M] cluster of each problem, 0..K-1, ordered by mean pass rate at the strongest checkpoint."""
    centre: np.ndarray
    """[K, J] mean pass rates."""
    retained: np.ndarray
    """[K] bool: emergent (not all near 0) and monotone within the tolerance."""

    @property
    def kept(self) -> np.ndarray:
        """[M] True for problems of retained clusters."""
        return self.retained[self.label]


def difficulty_clusters(
    rates: ArrayLike, *, clusters: int, least: float = 0.02, dip: float = 0.05, seed: int = 0
) -> Clusters:
    """Cluster problems by k-means on their pass rates over the family.

    Args:
        rates: [M, J] pass rate of each problem at each checkpoint, weakest first.
        clusters: K, at most M.
        least: a cluster whose highest centre is below this is not emergent.
        dip: a cluster whose centre falls by more than this from one checkpoint to a later one is not
            monotone.
        seed: of the k-means++ start; empty clusters are dropped.

    Raises:
        ValueError: shapes, or rates outside 0..1.
    """
    table = np.asarray(rates, dtype=np.float64)
    if table.ndim != 2 or np.any((table < 0) | (table > 1)):
        raise ValueError(
            f"rates of shape {table.shape}: [problems, checkpoints] of numbers between 0 and 1 are needed"
        )
    if not 1 <= clusters <= len(table):
        raise ValueError(f"clusters is {clusters}: it lies between 1 and the {len(table)} problems")
    distinct = len(np.unique(table, axis=0))
    _, found = kmeans2(table, min(clusters, distinct), minit="++", rng=np.random.default_rng(seed))
    names, label = np.unique(found, return_inverse=True)
    centre = np.stack([table[label == i].mean(axis=0) for i in range(len(names))])
    order = np.argsort(centre[:, -1], kind="stable")
    place = np.argsort(order)
    centre = centre[order]
    fall = (np.maximum.accumulate(centre, axis=1) - centre).max(axis=1)
    return Clusters(label=place[label], centre=centre, retained=(centre.max(axis=1) >= least) & (fall <= dip))


def subset_to_full(subset: ArrayLike, full: ArrayLike) -> PchipInterpolator:
    """A smooth non-decreasing map from the retained problems' score to the whole set's, through (0, 0) and
    the family's points.

    Args:
        subset: [J] score of each checkpoint on the retained problems.
        full: [J] its score on all.

    Returns:
        A callable on scores; beyond the strongest checkpoint it goes on to (1, the share that the trend of
        the last point gives).
    """
    x, y = np.asarray(subset, dtype=np.float64), np.asarray(full, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or not x.size:
        raise ValueError("subset_to_full: one pair of scores for each checkpoint")
    order = np.argsort(x, kind="stable")
    scores, first = np.unique(x[order], return_index=True)
    values = np.maximum.accumulate(y[order])[first]
    end = values[-1] / scores[-1] if scores[-1] > 0 else 1.0
    knots = {
        0.0: 0.0,
        1.0: float(np.clip(end, values[-1], 1.0)),
        **dict(zip(scores.tolist(), values.tolist(), strict=True)),
    }
    return PchipInterpolator(
        sorted(knots), np.maximum.accumulate([knots[k] for k in sorted(knots)]), extrapolate=False
    )
