"""The Pareto front of cost against score."""

import numpy as np
from numpy.typing import ArrayLike


def pareto(cost: ArrayLike, score: ArrayLike) -> np.ndarray:
    """[R] True where no other row costs at most as much and scores at least as high, one of the two strictly;
    equal rows share."""
    price, value = np.asarray(cost, dtype=np.float64), np.asarray(score, dtype=np.float64)
    front = np.zeros(len(price), dtype=bool)
    best, best_price = -np.inf, -np.inf
    for i in np.lexsort((-value, price)):
        if value[i] > best or (value[i] == best and price[i] == best_price):
            front[i] = True
            best, best_price = value[i], price[i]
    return front
