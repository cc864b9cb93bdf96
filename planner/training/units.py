"""The units that training targets are set for: categories, or single prompts."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betaincinv

from planner.allocation.demand import Unknown, category_tokens
from planner.belief.posterior import Posterior, PosteriorStore

Level = Literal["category", "prompt"]
_LEAST_EVIDENCE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Columns [K]."""

    keys: list[str]
    posterior: Posterior
    evidence: np.ndarray
    """Outcomes (prior included, for a prompt) behind the mean of each: how sure that mean is."""
    tokens: np.ndarray
    """Mean of a sample."""
    members: np.ndarray
    """Prompts that a key stands for."""

    def upper_mean(self, quantile: float) -> np.ndarray:
        """[K] upper quantile of what the mean success probability may be."""
        mean = self.posterior.a / (self.posterior.a + self.posterior.b)
        upper = betaincinv(mean * self.evidence, (1 - mean) * self.evidence, quantile)
        return np.clip(np.maximum(upper, mean), 1e-9, 1 - 1e-9)


def units_of(posteriors: PosteriorStore, level: Level, unknown: Unknown) -> Units:
    """Everything observed under the store's sampling config."""
    seen = posteriors.store.observed()
    names = list(seen.categories)
    if level == "prompt":
        return _prompts(posteriors, list(seen.prompts), [names[code] for code in seen.category])
    codes, members = np.unique(seen.category, return_counts=True)
    keys = [names[code] for code in codes]
    each = [posteriors.of_category(key) for key in keys]
    columns = {name: np.array([float(getattr(p, name)) for p in each]) for name in ("a", "b", "ess", "zero")}
    return Units(
        keys=keys,
        posterior=Posterior(**columns),
        evidence=np.maximum(columns["ess"], _LEAST_EVIDENCE),
        tokens=np.array([np.mean(category_tokens(posteriors, key, unknown)) for key in keys]),
        members=members.astype(np.float64),
    )


def _prompts(posteriors: PosteriorStore, ids: list[str], categories: list[str]) -> Units:
    posterior = posteriors.of_prompts(ids, categories)
    indices = np.array([posteriors.store.index_of(prompt) for prompt in ids], dtype=np.int64)
    return Units(
        keys=ids,
        posterior=posterior,
        evidence=posterior.a + posterior.b,
        tokens=np.maximum(posteriors.store.mean_tokens(indices), 1.0),
        members=np.ones(len(ids)),
    )
