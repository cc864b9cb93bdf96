"""Queries as columns: what is believed of each, and what its samples cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.belief.posterior import Posterior, PosteriorStore
from planner.types import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Assumptions where nothing was observed."""

    tokens: float = 256.0
    """Tokens of a sample of a category that was never seen."""
    cold_start: bool = True
    """A query of which nothing is known, neither itself nor its category, gets at least one sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Columns [n]."""

    ids: tuple[str, ...]
    posterior: Posterior
    tokens: np.ndarray
    """Tokens of a right sample."""
    tokens_wrong: np.ndarray
    prefill: np.ndarray
    weight: np.ndarray
    cold: np.ndarray
    """int64, 1 where one sample is to be drawn whatever it is worth."""

    @property
    def mean_tokens(self) -> np.ndarray:
        """[n] expected tokens of a sample."""
        rate = self.posterior.mean
        return rate * self.tokens + (1 - rate) * self.tokens_wrong


def demand_of(queries: Sequence[Query], posteriors: PosteriorStore, unknown: Unknown) -> Demand:
    """Look everything up."""
    ids, categories = [q.id for q in queries], [q.category for q in queries]
    posterior = posteriors.of_prompts(ids, categories)
    probed = np.array([q.prior is not None for q in queries])
    if probed.any():
        posterior = _with_probe(posterior, queries, posteriors)
    held = posteriors.store.categories()
    seen = np.array([name in held for name in categories], dtype=bool)
    right, wrong = _tokens(queries, posteriors, unknown)
    return Demand(
        ids=tuple(ids),
        posterior=posterior,
        tokens=right,
        tokens_wrong=wrong,
        prefill=np.array([q.prefill for q in queries], dtype=np.float64),
        weight=np.array([q.weight for q in queries], dtype=np.float64),
        cold=(unknown.cold_start & (posterior.ess == 0) & ~probed & ~seen).astype(np.int64),
    )


def category_tokens(posteriors: PosteriorStore, name: str, unknown: Unknown) -> tuple[float, float]:
    """Mean tokens of a right and of a wrong sample; the pooled mean where lengths were not told apart."""
    profile = posteriors.store.lengths(name)
    counts = posteriors.store.categories().get(name)
    pooled = unknown.tokens
    if counts is not None and counts.successes + counts.failures > 0:
        pooled = counts.tokens / (counts.successes + counts.failures)
    right, wrong = (pooled if math.isnan(x) else x for x in (profile.mean_correct, profile.mean_wrong))
    return max(right, 1.0), max(wrong, 1.0)


def _with_probe(base: Posterior, queries: Sequence[Query], posteriors: PosteriorStore) -> Posterior:
    """The probe's Beta in place of the category's, the prompt's own outcomes on top of it."""
    columns = {name: getattr(base, name).copy() for name in ("a", "b", "zero")}
    for i, query in enumerate(queries):
        if query.prior is not None:
            prior = posteriors.prior(query.category)
            columns["a"][i] += query.prior[0] - prior.a
            columns["b"][i] += query.prior[1] - prior.b
            columns["zero"][i] = 0.0
    return Posterior(ess=base.ess, **columns)


def _tokens(
    queries: Sequence[Query], posteriors: PosteriorStore, unknown: Unknown
) -> tuple[np.ndarray, np.ndarray]:
    """Expected tokens [n] of a right and of a wrong sample: as given, else the prompt's own mean, else its
    category's."""
    store = posteriors.store
    by_category = {name: category_tokens(posteriors, name, unknown) for name in {q.category for q in queries}}
    right, wrong = (np.array([by_category[q.category][i] for q in queries]) for i in range(2))
    known = np.array([store.has(q.id) for q in queries])
    own = np.full(len(queries), np.nan)
    own[known] = store.mean_tokens(
        np.array([store.index_of(q.id) for q in queries if store.has(q.id)], dtype=np.int64)
    )
    given = np.array([np.nan if q.tokens is None else q.tokens for q in queries], dtype=np.float64)
    own = np.where(np.isfinite(given), given, own)
    return np.where(np.isfinite(own), own, right), np.where(np.isfinite(own), own, wrong)
