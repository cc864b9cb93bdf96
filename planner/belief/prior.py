"""Difficulty priors of categories, fitted to decayed counts of their prompts.

See docs/methods/posteriors.md#posterior-of-a-prompt.
"""

from dataclasses import dataclass

import numpy as np

from planner.estimators.beta_binomial import BetaBinomial, fit_gated


@dataclass(frozen=True, slots=True)
class CategoryPrior:
    """p ~ Beta(a, b) over the prompts of a category, 0 for a share ``zero`` of them."""

    a: float
    b: float
    zero: float = 0.0

    @property
    def mean(self) -> float:
        """Expected success probability of an unseen prompt."""
        return (1 - self.zero) * self.a / (self.a + self.b)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorConfig:
    """When and from what priors are fitted."""

    every: int = 20
    """Updates (policy versions) between refits."""
    min_prompts: int = 8
    """A category with fewer observed prompts takes the fit over all of them."""
    default: CategoryPrior = CategoryPrior(1.0, 1.0)
    """Before ``min_prompts`` were observed at all."""


def fit_priors(
    successes: np.ndarray, failures: np.ndarray, category: np.ndarray, *, config: PriorConfig
) -> tuple[CategoryPrior, dict[int, CategoryPrior]]:
    """The prior over all prompts, and those of the categories that have enough.

    Args:
        successes: [K] decayed.
        failures: [K] decayed.
        category: [K] codes.
        config: thresholds.
    """
    n, c = whole_counts(successes, failures)
    seen = n > 0
    n, c, category = n[seen], c[seen], category[seen]
    if len(n) < config.min_prompts:
        return config.default, {}
    codes, members = np.unique(category, return_counts=True)
    enough = codes[members >= config.min_prompts]
    return _fitted(n, c), {int(code): _fitted(n[category == code], c[category == code]) for code in enough}


def whole_counts(successes: np.ndarray, failures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Trials and successes [K] as whole numbers, so that equal ones are fitted once, whatever the number of
    prompts.

    Rounding each by itself would lose rare successes as they fade below one half. The remainder is carried
    from prompt to prompt in order of their rates instead, so that sums over prompts of like difficulty are
    kept to within one.
    """
    trials = successes + failures
    rate = np.divide(successes, trials, out=np.zeros_like(trials), where=trials > 0)
    order = np.lexsort((trials, rate))
    right, wrong = np.zeros(len(trials), dtype=np.int64), np.zeros(len(trials), dtype=np.int64)
    right[order], wrong[order] = _carried(successes[order]), _carried(failures[order])
    return right + wrong, right


def _carried(values: np.ndarray) -> np.ndarray:
    """[K] whole numbers whose running sums are those of ``values``, rounded."""
    return np.diff(np.rint(np.cumsum(values)), prepend=0.0).astype(np.int64)


def _fitted(n: np.ndarray, c: np.ndarray) -> CategoryPrior:
    chosen: BetaBinomial = fit_gated(n, c).chosen
    return CategoryPrior(chosen.a, chosen.b, chosen.zero)
