"""A posterior as a few weighted success probabilities, for expectations of strategies."""

import numpy as np

from planner.allocation.quadrature import beta_nodes
from planner.belief.posterior import Posterior
from planner.strategies.base import TokenCost


def posterior_nodes(posterior: Posterior) -> tuple[np.ndarray, np.ndarray]:
    """Success probabilities [P] and weights [P] of one query's posterior; p = 0 is one of them."""
    p, weight = beta_nodes(float(posterior.a), float(posterior.b))
    zero = float(posterior.zero)
    return np.append(p, 0.0), np.append((1 - zero) * weight, zero)


def sample_tokens(p: np.ndarray, cost: TokenCost) -> np.ndarray:
    """[P] expected tokens of a sample."""
    return p * cost.right + (1 - p) * cost.wrong
