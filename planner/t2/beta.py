"""pass@k of a population of problems whose success probabilities follow Beta(a, b)."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln


def beta_pass_at_k(a: ArrayLike, b: ArrayLike, k: ArrayLike) -> np.ndarray:
    """E[1 - (1 - p)^k] = 1 - B(a, b + k) / B(a, b), for real k >= 0; arguments broadcast (arXiv 2604.01411
    §3.2)."""
    first, second, samples = (np.asarray(x, dtype=np.float64) for x in (a, b, k))
    return -np.expm1(betaln(first, second + samples) - betaln(first, second))
