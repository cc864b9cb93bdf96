"""From the planner's k* to training targets: smoothing, floors, the estimator, the prompt weight.

Envelope theorem: with J = max_k sum_x w_x [1 - (1-p_x)^k_x] under a token budget,
grad J = sum_x w_x k*_x (1-p_x)^(k*_x - 1) grad p_x - lambda sum_x k*_x grad c_x.
So each prompt trains on pass@k*_x and length costs the planner's own price lambda.

See docs/methods/passk_training.md#the-loop.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln


class Estimator(StrEnum):
    """Which form of the pass@k gradient fits k and the group size n."""

    RLOO = "rloo"
    """k = 1."""
    LOO_MINUS_ONE = "s_loo_minus_one"
    """2 <= k <= n/2 (PKPO, arXiv 2505.15201)."""
    POSTERIOR_WEIGHT = "posterior_weight"
    """k > n/2: RLOO times W_x, which has gradient where the others have none."""

    @classmethod
    def of(cls, k: int, group_size: int) -> "Estimator":
        """The estimator for groups of ``group_size``."""
        if k == 1:
            return cls.RLOO
        return cls.LOO_MINUS_ONE if 2 * k <= group_size else cls.POSTERIOR_WEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetConfig:
    """How targets follow k*."""

    keep: float = 0.8
    """Share of the old log k at every update."""
    dead_band: float = 1.25
    """A target changes only once the smoothed k has left it by this ratio."""
    k_max: int = 64
    quantile: float = 0.8
    """Quantile of the posterior that k* is planned with, for training only: a prompt given up by its mean
    would never be seen to improve."""
    weight_low: float = 0.1
    weight_high: float = 8.0
    retry_every: int = 200
    """Updates after which a prompt believed impossible is planned for as if it were not."""
    anneal: float = 0.0
    """Last share of training in which every k is 1, which wins pass@1 back; 0 = never."""

    def __post_init__(self) -> None:
        for name, low, high in (("keep", 0, 1), ("quantile", 0, 1), ("anneal", 0, 1)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"targets.{name} is {getattr(self, name)}: it must lie in [{low}, {high}]")
        if self.dead_band < 1 or self.k_max < 1 or not 0 < self.weight_low <= self.weight_high:
            raise ValueError(
                "targets: dead_band and k_max must be at least 1, and 0 < weight_low <= weight_high"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The target that one prompt or category trains on."""

    k: int
    estimator: Estimator
    weight: float
    """W_x = E[k (1-p)^(k-1)], clipped; read by the posterior-weight form only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainTargets:
    """Targets of one update."""

    targets: Mapping[str, Target]
    price: float
    """lambda, value per token: what the objective charges for length."""
    share_abandoned: float
    """Share of keys that the plan itself gave nothing (k* = 0); they train at k = 1."""


class TargetTracker:
    """Smoothed targets by key; pure logic, saved with the planner."""

    def __init__(self, config: TargetConfig) -> None:
        self.config = config
        self._log_k: dict[str, float] = {}
        self._k: dict[str, int] = {}

    def update(self, keys: Sequence[str], k_star: ArrayLike) -> dict[str, int]:
        """Follow the plan's k* [K], 0 counting as 1; a key met first takes its k* at once. Returns k by
        key."""
        config = self.config
        for key, wanted in zip(keys, np.asarray(k_star, dtype=np.float64), strict=True):
            log_wanted = math.log(max(1.0, float(wanted)))
            old = self._log_k.get(key)
            self._log_k[key] = (
                log_wanted if old is None else config.keep * old + (1 - config.keep) * log_wanted
            )
            smoothed = math.exp(self._log_k[key])
            held = self._k.get(key)
            if held is None or not held / config.dead_band <= smoothed <= held * config.dead_band:
                self._k[key] = int(np.clip(round(smoothed), 1, config.k_max))
        return {key: self._k[key] for key in keys}

    def state_dict(self) -> dict[str, Any]:
        """JSON-able, exact."""
        return {"log_k": dict(self._log_k), "k": dict(self._k)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._log_k, self._k = dict(state["log_k"]), dict(state["k"])


def passk_weight(a: ArrayLike, b: ArrayLike, k: ArrayLike) -> np.ndarray:
    """[...] W = E[k (1-p)^(k-1)] = k B(a, b+k-1) / B(a, b), p ~ Beta(a, b) as it stood before the group that
    is weighted."""
    a, b, k = (np.asarray(x, dtype=np.float64) for x in (a, b, k))
    return k * np.exp(betaln(a, b + k - 1) - betaln(a, b))


def sequential_weight(p: ArrayLike, k: ArrayLike, *, price: float, tokens: ArrayLike) -> np.ndarray:
    """[...] W for a deployment that stops at the first accepted sample, at most k: a higher p then also saves
    tokens.

    k q^(k-1) + lambda c [(1 - q^k) - k p q^(k-1)] / p^2 with q = 1 - p. The bracket keeps easy prompts worth
    improving.
    """
    p, k, c = (np.asarray(x, dtype=np.float64) for x in (p, k, tokens))
    q = 1 - p
    return k * q ** (k - 1) + price * c * ((1 - q**k) - k * p * q ** (k - 1)) / p**2


def make_targets(
    k: Mapping[str, int],
    a: np.ndarray,
    b: np.ndarray,
    *,
    group_size: int,
    config: TargetConfig,
    progress: float = 0.0,
) -> dict[str, Target]:
    """Targets of keys with posteriors a, b [K] in the order of ``k``; ``progress`` is the share of training
    done."""
    annealed = config.anneal > 0 and progress >= 1 - config.anneal
    ks = (
        np.ones(len(k), dtype=np.int64) if annealed else np.fromiter(k.values(), dtype=np.int64, count=len(k))
    )
    weights = np.clip(passk_weight(a, b, ks), config.weight_low, config.weight_high)
    return {
        key: Target(k=int(x), estimator=Estimator.of(int(x), group_size), weight=float(w))
        for key, x, w in zip(k, ks, weights, strict=True)
    }
