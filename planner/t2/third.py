"""T² with a third term: pretraining tokens, post-training tokens and samples under one budget.

See docs/methods/t2.md#post-training-as-an-axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from planner.t2.beta import beta_pass_at_k
from planner.t2.budget import Deployment, Measured, Optimum, end_to_end
from planner.t2.family import FamilySurface

RL_FLOPS = 8.0
"""FLOPs of a token of RL for each weight: 2 to sample it, 6 to train on it."""
GRID = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdTerm:
    """The family surface, in which post-training is not on or off but reached to a share s(T) = 1 / (1 +
    (T_mid / T)^slope) of its gain in logits after T tokens."""

    surface: FamilySurface
    midpoint: float
    """T_mid: tokens of RL at which half of the gain is there."""
    slope: float = 1.0

    def share(self, rl_tokens: ArrayLike) -> np.ndarray:
        """s(T), 0 without post-training."""
        tokens = np.asarray(rl_tokens, dtype=np.float64)
        with np.errstate(divide="ignore"):
            return expit(self.slope * (np.log(tokens) - np.log(self.midpoint)))

    def accuracy(
        self, params: ArrayLike, tokens: ArrayLike, k: ArrayLike, rl_tokens: ArrayLike
    ) -> np.ndarray:
        """Mean pass@k; broadcasts. The gain in logits is linear in z, so s takes z's place."""
        a, b = self.surface.beta(params, tokens, self.share(rl_tokens))
        return beta_pass_at_k(a, b, np.asarray(k, dtype=np.float64)[..., None]) @ self.surface.shares


@dataclass(frozen=True, slots=True, kw_only=True)
class JointOptimum:
    """Where the budget is spent best."""

    optimum: Optimum
    rl_tokens: float
    shares: dict[str, float]
    """Shares of the budget: pretraining, post-training, inference."""
    edges: tuple[str, ...]
    """Limits of the search that it lies on; with any it is a bound. ``RL``: the most RL tokens allowed."""


def joint_end_to_end(
    law: ThirdTerm,
    deployment: Deployment,
    *,
    measured: Measured,
    rl_tokens: tuple[float, float],
    fixed: Sequence[float] | None = None,
    max_k: float = 1e5,
    fixed_k: int | None = None,
) -> JointOptimum:
    """Best (N, D, k, T) under 6ND + 8NT + post(N) + q (prefill(N) + k decode(N)) <= total.

    T runs over a grid, no post-training included, then a finer one around its best; for each T the search is
    ``end_to_end``.

    Args:
        law: what is maximised.
        deployment: the budget; its ``post`` is a fixed cost beside that of T.
        measured: limits of N and D.
        rl_tokens: smallest and largest T but 0, as far as curves were measured.
        fixed: try only these T.
        max_k: largest k.
        fixed_k: only this k.

    Raises:
        ValueError: nothing fits.
    """

    def best(at: float) -> Optimum | None:
        spent = replace(deployment, post=lambda n: deployment.post(n) + RL_FLOPS * n * at)
        try:
            return end_to_end(
                lambda n, d, k: law.accuracy(n, d, k, at),
                spent,
                measured=measured,
                max_k=max_k,
                fixed_k=fixed_k,
            )
        except ValueError:
            return None  # This much RL leaves nothing; less may.

    grid = np.array(list(fixed)) if fixed is not None else np.array([0.0, *np.geomspace(*rl_tokens, GRID)])
    found = {float(t): o for t in grid if (o := best(float(t))) is not None}
    if not found:
        raise ValueError(f"a total of {deployment.total_flops:g} FLOPs buys no model, tokens and samples")
    top = max(found, key=lambda t: found[t].score)
    if fixed is None and top > 0:
        step = (rl_tokens[1] / rl_tokens[0]) ** (1 / (GRID - 1))
        finer = np.geomspace(max(top / step, rl_tokens[0]), min(top * step, rl_tokens[1]), 9)
        found |= {float(t): o for t in finer if (o := best(float(t))) is not None}
        top = max(found, key=lambda t: found[t].score)
    optimum = found[top]
    edge = ("RL",) if fixed is None and top >= rl_tokens[1] * (1 - 1e-9) else ()
    return JointOptimum(
        optimum=optimum,
        rl_tokens=top,
        shares=_shares(deployment, optimum, top),
        edges=(*optimum.edges, *edge),
    )


def _shares(deployment: Deployment, optimum: Optimum, rl_tokens: float) -> dict[str, float]:
    n, total = optimum.params, deployment.total_flops
    post = RL_FLOPS * n * rl_tokens + float(deployment.post(np.array(n)))
    return {
        "pretraining": 6 * n * optimum.tokens / total,
        "post-training": post / total,
        "inference": optimum.inference_share,
    }
