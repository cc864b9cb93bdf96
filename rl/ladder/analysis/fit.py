"""The three surfaces of a ladder, fitted to one draw of problems."""

from dataclasses import dataclass

import numpy as np

from planner.estimators.beta_binomial import fit as fit_population
from planner.estimators.pass_at_k import pass_at_k
from planner.t2.approach1 import Approach1, fit_approach1, likelihood_loss, posterior_loss
from planner.t2.approach2 import Approach2, fit_approach2
from planner.t2.chinchilla import isoline_weights
from planner.t2.family import FamilySurface, fit_family
from rl.ladder.analysis.data import Family

FIT_KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
RESTARTS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits:
    """Fits of the same checkpoints. Approaches 1 and 2 are None where there are too few for them, or no
    likelihoods."""

    family: FamilySurface
    approach1: Approach1 | None
    approach2: Approach2 | None


def fit_surfaces(data: Family, *, draw: np.ndarray | None = None, start: Fits | None = None) -> Fits:
    """Fit all three.

    Args:
        data: bases and post-trained checkpoints; approaches 1 and 2 see the bases only, or all if none is a
            base.
        draw: [P] problems of a bootstrap replicate, shared by all checkpoints.
        start: fits to begin from, for replicates.
    """
    weights = None if draw is None else np.bincount(draw, minlength=len(data.category)).astype(float)
    family = fit_family(data.rows(), weights=weights, start=None if start is None else start.family)
    alone = data.of(data.post == data.post.min())
    first = second = None
    ks = [k for k in FIT_KS if k <= alone.n.min()]
    if len(alone.keys) * len(ks) >= 8 and (start is None or start.approach1 is not None):
        first = _approach1(alone, ks, draw, None if start is None else start.approach1)
    if len(alone.keys) >= 6 and alone.log_p is not None and (start is None or start.approach2 is not None):
        second = _approach2(alone, ks, draw, None if start is None else start.approach2)
    return Fits(family=family, approach1=first, approach2=second)


def loss_table(data: Family, ks: list[int], draw: np.ndarray | None = None) -> np.ndarray:
    """[J, K] means of -log pass@k: by likelihood where there is one, else by posterior means under each
    checkpoint's Beta."""
    where = np.arange(len(data.category)) if draw is None else draw
    if data.log_p is not None:
        return np.array([likelihood_loss(row[where], ks) for row in data.log_p])
    rows = []
    for n, c in zip(data.n, data.c, strict=True):
        population = fit_population(n[where], c[where])
        rows.append(posterior_loss(n[where], c[where], ks, a=population.a, b=population.b))
    return np.array(rows)


def _approach1(data: Family, ks: list[int], draw: np.ndarray | None, start: Approach1 | None) -> Approach1:
    loss = loss_table(data, ks, draw)
    n, d, k = np.broadcast_arrays(
        data.params[:, None], data.tokens[:, None], np.array(ks, dtype=float)[None, :]
    )
    return fit_approach1(n.ravel(), d.ravel(), k.ravel(), loss.ravel(), restarts=RESTARTS, start=start)


def _approach2(data: Family, ks: list[int], draw: np.ndarray | None, start: Approach2 | None) -> Approach2:
    assert data.log_p is not None
    where = np.arange(len(data.category)) if draw is None else draw
    nll = -data.log_p[:, where].mean(axis=1)
    passed = np.array(
        [[pass_at_k(n[where], c[where], k).mean() for k in ks] for n, c in zip(data.n, data.c, strict=True)]
    )
    weights = isoline_weights(nll, data.levels)
    return fit_approach2(
        data.params, data.tokens, nll, ks, passed, weights=weights, restarts=RESTARTS // 2, start=start
    )
