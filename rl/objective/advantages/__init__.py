"""Advantage estimators. A new one is one file and one line in ``ADVANTAGES``.

Most look at whole samples (``(samples, config) -> [S]``) and give every token of a sample the same; ``gae``,
``reinforce_pp`` and ``brpo`` look at tokens. A group that says nothing (one member, equal rewards) gets
exactly 0 from the former; ``gae`` and ``reinforce_pp`` have no baseline from the group, and
``reinforce_pp_baseline`` takes the batch's mean off afterwards.

An estimator that reads nothing of other groups says so (``by_group``): its groups may be trained on before
their batch is whole.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.advantages.brpo import brpo
from rl.objective.advantages.estimate import Estimate
from rl.objective.advantages.gae import gae
from rl.objective.advantages.group_relative import dr_grpo, grpo, max_rl, rloo
from rl.objective.advantages.passk import (
    passk,
    pkpo_s,
    pkpo_s_loo,
    pkpo_s_loo_minus_one,
    standardised_best_of_k,
    weight_form,
)
from rl.objective.advantages.reinforce_pp import reinforce_pp, reinforce_pp_baseline
from rl.objective.samples import Samples, Tokens
from rl.objective.shapes import PerSample
from rollout.user_code import resolve_function

AdvantageFunction = Callable[[Samples, Tokens, AlgorithmConfig], Estimate]

SampleFunction = Callable[[Samples, AlgorithmConfig], PerSample]
EstimatorType = TypeVar("EstimatorType", bound=Callable[..., Any])


def every_token(estimator: SampleFunction) -> Callable[[Samples, Tokens, AlgorithmConfig], Estimate]:
    """An estimator of whole samples as one of tokens. A KL penalty on the reward is taken from the sample's
    reward as a sum."""

    def estimate(samples: Samples, tokens: Tokens, config: AlgorithmConfig) -> Estimate:
        if tokens.kl is not None:
            penalty = torch.zeros(len(samples.rewards), dtype=torch.float64).index_add_(
                0, tokens.sample, tokens.kl.double()
            )
            samples = replace(samples, rewards=(samples.rewards.double() - penalty).to(samples.rewards.dtype))
        return Estimate(advantages=estimator(samples, config)[tokens.sample])

    return by_group(estimate) if getattr(estimator, "by_group", False) else estimate


def by_group(estimator: EstimatorType) -> EstimatorType:
    """Mark an estimator, of samples or of tokens, whose answer for a group does not depend on other
    groups."""
    estimator.by_group = True  # type: ignore[attr-defined]
    return estimator


ADVANTAGES: dict[str, AdvantageFunction] = {
    "grpo": every_token(by_group(grpo)),
    "dr_grpo": every_token(by_group(dr_grpo)),
    "rloo": every_token(by_group(rloo)),
    "max_rl": every_token(by_group(max_rl)),
    "reinforce_pp": reinforce_pp,
    "reinforce_pp_baseline": reinforce_pp_baseline,
    "gae": gae,
    "passk": every_token(by_group(passk)),
    "passk_s": every_token(by_group(pkpo_s)),
    "passk_s_loo": every_token(by_group(pkpo_s_loo)),
    "passk_s_loo_minus_one": every_token(by_group(pkpo_s_loo_minus_one)),
    "passk_chen": every_token(by_group(standardised_best_of_k)),
    "passk_weight": every_token(by_group(weight_form)),
    "brpo": by_group(brpo),
}


def resolve_advantage(name: str) -> AdvantageFunction:
    """The estimator that ``algorithm.advantage`` names: one of ``ADVANTAGES``, or outside code
    (``pkg.module:attr``; ``every_token`` makes one of a function of whole samples).

    Raises:
        ValueError: naming the field and the choices.
    """
    return resolve_function("algorithm.advantage", name, ADVANTAGES)
