"""The value and cost of a majority vote with adaptive stopping, when p is known only as a Beta posterior.

See docs/methods/allocation.md#votes.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc

from planner.allocation.stopping import SETTLED, leader_probability

NODES = 129
K_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteTable:
    """A vote at known p, for every cap on its samples."""

    p: np.ndarray
    """[P] success probabilities, equally spaced over [0, 1]."""
    correct: np.ndarray
    """[P, K] probability that the vote of at most 1..K samples is right, ties counted half."""
    samples: np.ndarray
    """[P, K] samples drawn in expectation."""

    def averaged(self, a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """``correct`` and ``samples`` [n, K] for p ~ Beta(a, b), a and b [n], both taken as linear between
        the points."""
        a, b = (np.atleast_1d(np.asarray(x, dtype=np.float64))[:, None] for x in (a, b))
        mass = np.diff(betainc(a, b, self.p), axis=1)
        moment = a / (a + b) * np.diff(betainc(a + 1, b, self.p), axis=1)
        # A cell's mass goes to its two ends so that its mean stays: exact for what is linear inside the cell.
        upper = np.clip((moment - mass * self.p[:-1]) / np.diff(self.p), 0.0, mass)
        weight = np.pad(mass - upper, ((0, 0), (0, 1))) + np.pad(upper, ((0, 0), (1, 0)))
        return weight @ self.correct, weight @ self.samples


@lru_cache(maxsize=8)
def vote_table(*, k_max: int = K_MAX, agreement: float = 1.0, threshold: float = SETTLED) -> VoteTable:
    """The vote's two-horse race, exactly: right answers against the likeliest wrong one, stopped once the
    leader is settled.

    Args:
        k_max: Largest cap.
        agreement: Share of wrong samples that give the same wrong answer; 1 is the worst case (and exact for
            two answers).
        threshold: Of ``leader_probability``; above 1 the vote never stops early.
    """
    p = np.linspace(0, 1, NODES)
    rival = agreement * (1 - p)
    votes = np.arange(k_max + 1)
    high, low = np.maximum.outer(votes, votes), np.minimum.outer(votes, votes)
    stops = leader_probability(high, low) >= threshold
    lead = np.where(votes[:, None] > votes, 1.0, np.where(votes[:, None] == votes, 0.5, 0.0))
    lead[0, 0] = 0.0  # wrong answers that share nothing: one of them is given
    alive = np.zeros((NODES, k_max + 1, k_max + 1))
    alive[:, 0, 0] = 1.0
    done, correct, samples = np.zeros(NODES), np.zeros((NODES, k_max)), np.zeros((NODES, k_max))
    for k in range(k_max):
        samples[:, k] = (samples[:, k - 1] if k else 0.0) + alive.sum(axis=(1, 2))
        grown = alive * (1 - p - rival)[:, None, None]
        grown[:, 1:] += alive[:, :-1] * p[:, None, None]
        grown[:, :, 1:] += alive[:, :, :-1] * rival[:, None, None]
        correct[:, k] = done + (grown * lead).sum(axis=(1, 2))
        done = done + (grown * lead * stops).sum(axis=(1, 2))
        alive = grown * ~stops
    return VoteTable(p=p, correct=correct, samples=samples)
