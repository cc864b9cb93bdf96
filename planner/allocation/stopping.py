"""When to stop: the cap on attempts under a verifier that errs, and the vote whose leader is settled.

A verifier with false positives does not by itself make the best number of attempts finite: at one fixed p
every attempt has the same sign of value. It is the uncertainty about p (a Beta), or a price per attempt, that
does.

See docs/methods/allocation.md#imperfect-verifiers and docs/methods/allocation.md#votes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, digamma

from planner.allocation.gains import log_survival

SETTLED = 0.95
_NEGLIGIBLE = 1e-13
_NEAR_ONE, _STEP = 1e-4, 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of sampling until the verifier accepts, at most ``cap`` times; each [...]."""

    correct: np.ndarray
    """Probability that a right answer is returned."""
    wrong: np.ndarray
    """Probability that a wrong one is."""
    attempts: np.ndarray
    """Expected number of samples."""


def attempt_cap(
    a: ArrayLike,
    b: ArrayLike,
    *,
    value: ArrayLike = 1.0,
    loss: ArrayLike = 0.0,
    cost: ArrayLike = 0.0,
    cost_wrong: ArrayLike | None = None,
    fpr: float = 0.0,
    zero: ArrayLike = 0.0,
) -> np.ndarray:
    """[...] attempts worth making, p ~ Beta(a, b), the verifier accepting every right sample; infinite where
    all are.

    Attempt j + 1 is worth (1-f)^j S_j [(V a - W f (b+j) - c_r a - c_w (b+j)) / (a+b+j)], whose sign changes
    once, at j = a (V - c_r) / (f W + c_w) - b.

    Args:
        a: Posterior successes.
        b: Posterior failures.
        value: V, of a right answer returned; abstaining is worth 0.
        loss: W, of a wrong one.
        cost: Of an attempt, in the same currency (price times tokens).
        cost_wrong: Of a wrong attempt, if wrong ones have another length; then ``cost`` is that of a right
            one.
        fpr: f.
        zero: Probability that p is 0 instead (``Posterior.zero``); the sign then changes earlier, and is
            found by bisection.
    """
    a, b, value, loss, right = (np.asarray(x, dtype=np.float64) for x in (a, b, value, loss, cost))
    wrong = right if cost_wrong is None else np.asarray(cost_wrong, dtype=np.float64)
    gain, drain = a * (value - right), fpr * loss + wrong
    with np.errstate(divide="ignore", invalid="ignore"):
        cap = np.ceil(gain / drain - b - 1e-12)
    cap = np.where(gain - b * drain <= 0, 0.0, np.where(drain <= 0, np.inf, cap))
    share = np.asarray(zero, dtype=np.float64)
    return _cap_with_zeros(a, b, gain, drain, share, cap) if share.any() else cap


def _cap_with_zeros(
    a: np.ndarray, b: np.ndarray, gain: np.ndarray, drain: np.ndarray, zero: np.ndarray, cap: np.ndarray
) -> np.ndarray:
    """First j at which (1-z) S_j (gain - (b+j) drain) / (a+b+j) - z drain is not positive; infinite where
    ``cap`` is."""
    a, b, gain, drain, zero, cap = np.broadcast_arrays(a, b, gain, drain, zero, cap)
    low, high = np.zeros(cap.shape), np.where(drain <= 0, 0.0, cap)
    while (high > low).any():
        j = np.floor((low + high) / 2)
        survivors = (1 - zero) * np.exp(log_survival(a, b, j))
        worth = survivors * (gain - (b + j) * drain) / (a + b + j) - zero * drain > 0
        low, high = np.where(worth & (high > low), j + 1, low), np.where(worth, high, j)
    return np.where(np.isinf(cap), cap, low)


def outcome(
    a: ArrayLike, b: ArrayLike, cap: ArrayLike, *, fpr: float = 0.0, zero: ArrayLike = 0.0
) -> Outcome:
    """Return what at most ``cap`` (finite) attempts lead to, p ~ Beta(a, b), or 0 with probability ``zero``;
    tpr = 1."""
    solvable = _outcome(a, b, cap, fpr=fpr)
    share = np.asarray(zero, dtype=np.float64)
    if not share.any():
        return solvable
    failing = np.asarray(cap, dtype=np.float64)
    accepted = 0.0 - np.expm1(failing * np.log1p(-fpr))
    return Outcome(
        correct=(1 - share) * solvable.correct,
        wrong=(1 - share) * solvable.wrong + share * accepted,
        attempts=(1 - share) * solvable.attempts + share * (accepted / fpr if fpr else failing),
    )


def _outcome(a: ArrayLike, b: ArrayLike, cap: ArrayLike, *, fpr: float) -> Outcome:
    a, b, cap = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (a, b, cap)))
    shape = a.shape
    if fpr == 0:
        log_s = log_survival(a, b, cap)
        return Outcome(
            correct=0.0 - np.expm1(log_s), wrong=np.zeros(shape), attempts=_attempts(a, b, cap, np.exp(log_s))
        )
    correct, wrong, attempts = (np.zeros(a.size) for _ in range(3))
    a, b, cap = a.ravel(), b.ravel(), cap.ravel()
    rows, alive = np.flatnonzero(cap > 0), np.ones(a.size)
    for j in range(int(cap.max(initial=0))):
        weight = alive[rows]
        at, bt = a[rows], b[rows] + j
        correct[rows] += weight * at / (at + bt)
        wrong[rows] += weight * fpr * bt / (at + bt)
        attempts[rows] += weight
        alive[rows] = weight * (1 - fpr) * bt / (at + bt)
        rows = rows[(cap[rows] > j + 1) & (alive[rows] > _NEGLIGIBLE)]
    return Outcome(
        correct=correct.reshape(shape), wrong=wrong.reshape(shape), attempts=attempts.reshape(shape)
    )


def _attempts(a: np.ndarray, b: np.ndarray, cap: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Sum of S_j over j < cap = (B(a-1, b) - B(a-1, b+cap)) / B(a, b), ``last`` being S_cap; near a = 1 from
    value and slope."""
    near = np.abs(a - 1) < _NEAR_ONE
    out = np.asarray(_telescoped(np.where(near, 2.0, a), b, cap, last))
    if near.any():
        shape, failing, most = a[near], b[near], cap[near]
        above, below = (
            _telescoped(x, failing, most, np.exp(log_survival(x, failing, most)))
            for x in (1 + _STEP, 1 - _STEP)
        )
        at_one = failing * (digamma(failing + most) - digamma(failing))
        out[near] = at_one + (shape - 1) * (above - below) / (2 * _STEP)
    return out


def _telescoped(a: np.ndarray | float, b: np.ndarray, cap: np.ndarray, last: np.ndarray) -> np.ndarray:
    return ((a + b - 1) - last * (a + b + cap - 1)) / (a - 1)


def leader_probability(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """[...] posterior probability that the answer with ``first`` votes is more likely than that with
    ``second``.

    P(Beta(first + 1, second + 1) > 1/2), the others ignored (adaptive consistency, Aggarwal et al. 2023,
    arXiv 2305.11860).
    """
    return betainc(np.asarray(second, dtype=np.float64) + 1, np.asarray(first, dtype=np.float64) + 1, 0.5)


def settled(first: int, second: int, *, threshold: float = SETTLED) -> bool:
    """True if the leader of a vote may be taken for the true mode."""
    return bool(leader_probability(first, second) >= threshold)
