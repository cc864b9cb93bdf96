"""A verifier that also rejects right samples: no closed form, so E over Beta(a, b) by Gauss-Jacobi.

See docs/methods/allocation.md#imperfect-verifiers.
"""

import numpy as np
from scipy.linalg import eigh_tridiagonal

from planner.allocation.stopping import Outcome
from planner.verifiers.verifier import VerifierSpec

NODES = 64


def beta_nodes(a: float, b: float, *, nodes: int = NODES) -> tuple[np.ndarray, np.ndarray]:
    """Points p [nodes] and weights [nodes], which sum to 1: exact for polynomials of p up to degree 2 nodes -
    1.

    Golub and Welsch 1969 on the recurrence of the Jacobi polynomials for (1-x)^(b-1) (1+x)^(a-1).
    (``scipy.special.roots_jacobi`` also computes the total mass 2^(a+b-1) B(a, b), which overflows from a + b
    of about 1000; it is not needed here.)
    """
    alpha, beta, k = b - 1.0, a - 1.0, np.arange(1.0, nodes)
    both = 2 * k + alpha + beta
    centre = np.append((beta - alpha) / (a + b), (beta - alpha) * (beta + alpha) / (both * (both + 2)))
    # At k = 1 the factor (k + alpha + beta) / (2k + alpha + beta - 1) is 1, also where both are 0.
    ratio = np.append(1.0, (k[1:] + alpha + beta) / (both[1:] - 1))
    side = np.sqrt(4 * k * (k + alpha) * (k + beta) * ratio / (both**2 * (both + 1)))
    x, vectors = eigh_tridiagonal(centre, side)
    return np.clip((1 + x) / 2, 0.0, 1.0), vectors[0] ** 2


class QuadratureCaps:
    """Sequential sampling of U different posteriors under one verifier: marginals of every attempt up to
    ``k_max``."""

    def __init__(
        self, a: np.ndarray, b: np.ndarray, verifier: VerifierSpec, *, zero: np.ndarray, k_max: int
    ) -> None:
        """About a millisecond for each different (a, b, zero)."""
        rows, self._row = np.unique(np.stack([a, b, zero], axis=1), axis=0, return_inverse=True)
        self._row = self._row.reshape(-1)
        marginals = np.stack(
            [_marginals(*(float(x) for x in row), verifier=verifier, k_max=k_max) for row in rows]
        )
        self._right, self._wrong, self._attempt, self._right_attempt = np.moveaxis(marginals, 1, 0)

    def caps(
        self, *, value: np.ndarray, loss: np.ndarray, cost: np.ndarray, cost_wrong: np.ndarray
    ) -> np.ndarray:
        """[n] attempts before the first whose worth is not positive."""
        row = self._row
        wrong_attempt = self._attempt - self._right_attempt
        worth = value[:, None] * self._right[row] - loss[:, None] * self._wrong[row]
        worth = worth - cost[:, None] * self._right_attempt[row] - cost_wrong[:, None] * wrong_attempt[row]
        stops = worth <= 0
        return np.where(stops.any(axis=1), np.argmax(stops, axis=1), worth.shape[1]).astype(np.float64)

    def outcome(self, cap: np.ndarray) -> tuple[Outcome, np.ndarray]:
        """Return what at most cap [n] attempts lead to, and the mean number of right samples drawn [n]."""
        correct, wrong, attempts, right = (
            np.concatenate([np.zeros((len(table), 1)), np.cumsum(table, axis=1)], axis=1)[
                self._row, cap.astype(np.int64)
            ]
            for table in (self._right, self._wrong, self._attempt, self._right_attempt)
        )
        return Outcome(correct=correct, wrong=wrong, attempts=attempts), right


def _marginals(a: float, b: float, zero: float, *, verifier: VerifierSpec, k_max: int) -> np.ndarray:
    """[4, k_max]: attempt j + 1 returns a right answer, a wrong one, is made at all, is made and right."""
    p, weight = beta_nodes(a, b)
    p, weight = np.append(p, 0.0), np.append((1 - zero) * weight, zero)
    accept = verifier.fpr + p * (verifier.tpr - verifier.fpr)
    alive = weight[:, None] * (1 - accept)[:, None] ** np.arange(k_max)
    parts = np.stack([p * verifier.tpr, (1 - p) * verifier.fpr, np.ones_like(p), p])
    return parts @ alive
