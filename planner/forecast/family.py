"""The family of difficulty distributions: a Beta variable whose odds are multiplied by a constant (type IV
logistic in logit p).

With x = logit p, density proportional to sigmoid(x - t)^a sigmoid(t - x)^b: exponential tails with exponents
a (hard problems; the exponent of the power law that pass@k follows for large k) and b (easy ones), around t.
t = 0 is the plain Beta(a, b).
"""

from functools import cache

import numpy as np
from scipy.special import log_expit
from scipy.stats import qmc

from planner.forecast.grid import STEP, X

LOW, HIGH = np.array([-14.0, np.log(0.002), np.log(0.1)]), np.array([6.0, np.log(5.0), np.log(30.0)])
"""The box of (t, log a, log b) in which every triple is as likely as any other before data and references are
seen."""


def densities(parameters: np.ndarray) -> np.ndarray:
    """[S, G] weights, each row summing to 1, for parameters [S, 3] = (t, log a, log b)."""
    t, a, b = parameters[:, :1], np.exp(parameters[:, 1:2]), np.exp(parameters[:, 2:3])
    log = a * log_expit(X - t) + b * log_expit(t - X)
    # the first cell holds the whole tail below the grid, a geometric series
    log[:, :1] -= np.log(-np.expm1(-a * STEP))
    weights = np.exp(log - log.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


@cache
def low_discrepancy(size: int, dimensions: int = 3) -> np.ndarray:
    """[size, dimensions] points that fill the unit cube evenly, the same at every call; size a power of 2."""
    return qmc.Sobol(dimensions, scramble=True, rng=0).random(size)
