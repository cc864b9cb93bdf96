"""Add to a batch's groups what the objective reads of them beyond their rollouts."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from rl.batch.planner_targets import PlannerLoop
from rl.config.algorithm import AlgorithmConfig
from rl.engines.thinking_budgets import with_answers
from rollout.statistics import StatisticsStore
from rollout.types import RolloutGroup

Annotate = Callable[[list[RolloutGroup]], list[RolloutGroup]]


def make_annotate(
    config: AlgorithmConfig, store: StatisticsStore, planner: PlannerLoop | None = None
) -> Annotate:
    """The annotations that this objective reads; the groups themselves where it reads none."""
    if planner is not None:
        return planner.annotate
    if config.advantage.name in ("passk", "passk_weight"):
        return lambda groups: with_posterior(groups, store)
    if config.advantage.name == "brpo":
        return with_answers
    return list


def with_posterior(groups: Sequence[RolloutGroup], store: StatisticsStore) -> list[RolloutGroup]:
    """Each group with ``aux.posterior`` [G, 2]: the prompt's Beta(successes + 1, failures + 1) of before
    this batch.

    The store takes a plan in when it has been trained, so it cannot hold the group itself: that keeps the
    estimate unbiased.
    """
    found = []
    for group in groups:
        index = np.array([store.index_of(group.prompt.id)])
        successes, failures = store.counts(index, sampling_key=group.sampling.key)
        row = np.array([successes[0] + 1, failures[0] + 1])
        rows = np.tile(row, (len(group.rollouts), 1))
        found.append(replace(group, aux=replace(group.aux, posterior=rows)))
    return found
