"""The belief about a prompt's success probability: a Beta from its category's prior and its own decayed
outcomes.

A view of the statistics store: nothing is counted twice and nothing is kept here but the fitted priors
(docs/methods/posteriors.md#posterior-of-a-prompt: a = mu nu + s, b = (1 - mu) nu + f).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import betaln

from planner.belief.prior import CategoryPrior, PriorConfig, fit_priors
from planner.verifiers.verifier import VerifierSpec
from rollout.statistics import StatisticsStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """p ~ Beta(a, b), or 0 with probability ``zero``. Numbers, or columns [K] where many prompts are asked
    for."""

    a: np.ndarray
    b: np.ndarray
    ess: np.ndarray
    """Decayed outcomes of the prompt itself; 0 = the prior alone speaks."""
    zero: np.ndarray
    """Probability that the policy cannot solve it at all; above 0 only where the category's fit asked for
    such prompts."""

    @property
    def mean(self) -> np.ndarray:
        """Expected success probability."""
        return (1 - self.zero) * self.a / (self.a + self.b)

    def at(self, rows: Any) -> "Posterior":
        """Some of the columns."""
        return Posterior(a=self.a[rows], b=self.b[rows], ess=self.ess[rows], zero=self.zero[rows])


class PosteriorStore:
    """Posteriors of prompts and categories, from one statistics store and priors that are refitted now and
    then."""

    def __init__(
        self, store: StatisticsStore, *, config: PriorConfig, verifier: VerifierSpec | None = None
    ) -> None:
        """``verifier``: error rates behind the outcomes in the store, which are corrected before anything
        reads them."""
        self.store = store
        self.config = config
        self.verifier = verifier or VerifierSpec()
        self._priors: dict[str, CategoryPrior] = {}
        self._everything = config.default
        self._fitted: tuple[int, int] | None = None
        """Policy version and rows of the store at the last fit."""

    def refresh(self, *, force: bool = False) -> bool:
        """Refit the priors if ``config.every`` updates went by or the observed prompts doubled; True if it
        did. O(prompts)."""
        version, rows = self.store.version, self.store.num_rows
        if not force and self._fitted is not None:
            then, before = self._fitted
            if version - then < self.config.every and rows < 2 * max(before, 1):
                return False
        seen = self.store.observed()
        successes, failures = self.verifier.true_counts(seen.successes, seen.failures)
        self._everything, by_code = fit_priors(successes, failures, seen.category, config=self.config)
        self._priors = {seen.categories[code]: prior for code, prior in by_code.items()}
        self._fitted = (version, rows)
        return True

    def prior(self, category: str) -> CategoryPrior:
        """Return the prior of an unseen prompt of the category; of any where the category has too few."""
        self.refresh()
        return self._priors.get(category, self._everything)

    def of_category(self, category: str) -> Posterior:
        """The category's prior, with the decayed outcomes behind it as ``ess``."""
        prior = self.prior(category)
        counts = self.store.categories().get(category)
        ess = (
            0.0
            if counts is None
            else sum(float(x) for x in self.verifier.true_counts(counts.successes, counts.failures))
        )
        return Posterior(
            a=np.array(prior.a), b=np.array(prior.b), ess=np.array(ess), zero=np.array(prior.zero)
        )

    def of_prompts(self, prompts: Sequence[str], categories: Sequence[str]) -> Posterior:
        """Columns [K] for prompts by id, each with its category; unseen ones get the category's prior."""
        self.refresh()
        names = {name: self._priors.get(name, self._everything) for name in dict.fromkeys(categories)}
        places = {name: i for i, name in enumerate(names)}
        code = np.array([places[name] for name in categories], dtype=np.int64)
        table = np.array([[p.a, p.b, p.zero] for p in names.values()]).reshape(-1, 3)[code]
        known = np.array([self.store.has(prompt) for prompt in prompts], dtype=bool)
        successes, failures = np.zeros(len(code)), np.zeros(len(code))
        indices = np.array(
            [self.store.index_of(p) for p, k in zip(prompts, known, strict=True) if k], dtype=np.int64
        )
        successes[known], failures[known] = self.verifier.true_counts(*self.store.counts(indices))
        return updated(table[:, 0], table[:, 1], table[:, 2], successes, failures)

    def state_dict(self) -> dict[str, Any]:
        """The priors as last fitted; the outcomes are the store's to save."""
        return {
            "priors": {name: [p.a, p.b, p.zero] for name, p in self._priors.items()},
            "everything": [self._everything.a, self._everything.b, self._everything.zero],
            "fitted": None if self._fitted is None else list(self._fitted),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        self._priors = {name: CategoryPrior(*values) for name, values in state["priors"].items()}
        self._everything = CategoryPrior(*state["everything"])
        self._fitted = None if state["fitted"] is None else (state["fitted"][0], state["fitted"][1])


def updated(
    a: np.ndarray, b: np.ndarray, zero: np.ndarray, successes: np.ndarray, failures: np.ndarray
) -> Posterior:
    """Prior and outcomes [K] put together; a success rules p = 0 out, failures make it likelier."""
    solvable = (1 - zero) * np.exp(betaln(a, b + failures) - betaln(a, b))
    share = np.divide(zero, zero + solvable, out=np.zeros_like(solvable), where=zero > 0)
    return Posterior(
        a=a + successes, b=b + failures, ess=successes + failures, zero=np.where(successes > 0, 0.0, share)
    )
