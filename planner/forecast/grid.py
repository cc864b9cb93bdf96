"""Difficulty on a grid: p is the success probability of one sample, x = logit p. A density of x is weights
over cells, [G]."""

import numpy as np
from scipy.special import betainc, log_expit

STEP = 0.15
X = np.arange(-18.0, 12.0 + STEP / 2, STEP)
"""[G] cell centres; e^-18 is 1.5e-8, beyond what any count can tell from 0."""
LOG_P, LOG_Q = log_expit(X), log_expit(-X)


def cell_pass_at_k(k: float) -> np.ndarray:
    """[G] pass@k of a problem in each cell, 1 - (1 - p)^k."""
    return -np.expm1(k * LOG_Q)


def likelihood(n: np.ndarray, c: np.ndarray) -> np.ndarray:
    """[U, G] probability of each outcome (n, c) in each cell, up to a factor for each row; the highest cell
    of a row is 1.

    Where the binomial kernel is narrower than two cells (many samples), it is integrated over the cell
    exactly, as a difference of incomplete Beta functions; else taken at the centre. Counts from adaptive
    sampling are fine: a stopping rule that sees only outcomes drops out of the likelihood.
    """
    trials, right = np.asarray(n, dtype=np.float64)[:, None], np.asarray(c, dtype=np.float64)[:, None]
    kernel = right * LOG_P + (trials - right) * LOG_Q
    values = np.exp(kernel - kernel.max(axis=1, keepdims=True))
    narrow = (right * (trials - right) * (2 * STEP) ** 2 > trials)[:, 0]
    if narrow.any():
        edges = np.exp(log_expit(np.append(X - STEP / 2, X[-1] + STEP / 2)))
        cells = np.diff(betainc(right[narrow], (trials - right)[narrow], edges), axis=1)
        values[narrow] = cells / cells.max(axis=1, keepdims=True)
    return values
