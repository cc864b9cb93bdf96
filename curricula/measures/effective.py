"""How much of what was sampled can teach: ratios over the groups of one plan, on raw correctness."""

from collections.abc import Sequence

import numpy as np

from rollout.types import RolloutStat

BUCKETS = ("extremely_hard", "hard", "medium", "easy", "extremely_easy")


def effective_ratios(stats: Sequence[RolloutStat]) -> dict[str, float]:
    """Ratios over all groups, kept and dropped; empty for no groups.

    ``effective_gradient_ratio`` counts rollouts, ``effective_prompt_ratio`` prompts: with groups of unequal
    size the first can rise while the second falls, so both are reported
    (docs/methods/group_signals.md#effective-ratios).
    """
    if not stats:
        return {}
    n = np.array([s.num_rollouts for s in stats], dtype=np.float64)
    correct = np.array([s.num_correct for s in stats], dtype=np.float64)
    mixed = (correct > 0) & (correct < n)
    return {
        "effective_gradient_ratio": float(n[mixed].sum() / n.sum()),
        "effective_prompt_ratio": float(mixed.mean()),
        "all_positive_ratio": float((correct == n).mean()),
        "all_negative_ratio": float((correct == 0).mean()),
        "pass_rate": float(correct.sum() / n.sum()),
    }


def difficulty_buckets(stats: Sequence[RolloutStat]) -> dict[str, float]:
    """Share of prompts by pass rate in the batch: 0, (0, .2], (.2, .8), [.8, 1), 1; empty for no groups."""
    if not stats:
        return {}
    rate = np.array([s.num_correct / s.num_rollouts for s in stats])
    bucket = np.select([rate == 0, rate <= 0.2, rate < 0.8, rate < 1], [0, 1, 2, 3], default=4)
    return {f"{name}_ratio": float((bucket == code).mean()) for code, name in enumerate(BUCKETS)}
