"""How much one finished group taught, from its raw outcomes alone: the reward of bandits over categories.
Pure functions.

With k successes of n, p = k / n and A the advantage of a rollout inside its group:

==========  =======================================  =========================================================
magnitude   value                                    what it is
==========  =======================================  =========================================================
``std``     2 sqrt(p (1-p))                          mean |A| of A = (r - p) / sqrt(p (1-p)); 1 at p = 1/2
``centred`` 2 k (n-k) / (n (n-1))                    mean |r - p| without its bias: 2 p (1-p) in the mean
``grpo``    2 sqrt(k (n-k) (n-1) / n^3)              mean |A| of GRPO (n - 1 below): depends on n
==========  =======================================  =========================================================

``std`` on a small group is biased downwards (a rare success is often not seen), so ``centred`` is the one to
use where groups differ in size; ``grpo`` is what the released code of SEC reads (arXiv 2505.14970).
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np

from rollout.types import RolloutStat

Magnitude = Literal["std", "centred", "grpo"]


def group_magnitude(num_correct: np.ndarray, num_rollouts: np.ndarray, kind: Magnitude) -> np.ndarray:
    """[K] float64 for groups [K]; NaN for ``centred`` in a group of one, which says nothing."""
    k, n = np.asarray(num_correct, dtype=np.float64), np.asarray(num_rollouts, dtype=np.float64)
    if kind == "std":
        return 2 * np.sqrt(k * (n - k)) / n
    if kind == "centred":
        return np.divide(2 * k * (n - k), n * (n - 1), out=np.full(n.shape, np.nan), where=n > 1)
    return 2 * np.sqrt(k * (n - k) * (n - 1) / n**3)


def category_magnitudes(stats: Sequence[RolloutStat], kind: Magnitude) -> dict[str, float]:
    """Mean magnitude by category among the groups: over rollouts for ``grpo``, as published, else over
    prompts."""
    n = np.array([stat.num_rollouts for stat in stats])
    magnitudes = group_magnitude(np.array([stat.num_correct for stat in stats]), n, kind)
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for stat, magnitude in zip(stats, magnitudes.tolist(), strict=True):
        if np.isnan(magnitude):
            continue
        weight = stat.num_rollouts if kind == "grpo" else 1
        sums[stat.category][0] += weight * magnitude
        sums[stat.category][1] += weight
    return {category: total / weight for category, (total, weight) in sums.items()}
