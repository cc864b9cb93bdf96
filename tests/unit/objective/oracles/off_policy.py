"""Objectives made for rollouts of another policy: decoupled PPO with truncated weights, IcePop, CISPO."""

import math
from collections.abc import Callable

import torch

from rl.config.algorithm import AlgorithmConfig
from tests.unit.objective.oracles.grouped import standardised
from tests.unit.objective.oracles.problem import Problem, Token, surrogate, zero


def decoupled(problem: Problem, config: AlgorithmConfig, weight: Callable[[float], float]) -> torch.Tensor:
    """Decoupled PPO (arXiv 2110.00641, eq. 5): the clip is around the proximal policy, ``weight(pi_prox /
    mu)`` does the rest."""
    total = zero()
    for group in problem.groups:
        for sequence, advantage in zip(group, standardised(group), strict=True):
            for token in sequence.tokens:
                own = surrogate(token, token.start, advantage, config.mask.clip_low, config.mask.clip_high)
                total = total + weight(math.exp(token.start - token.behavior)) * own
    return -total / problem.num_tokens


def grpo_tis(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """``min(ratio, cap)``: IMPALA's truncation (arXiv 1802.01561)."""
    return decoupled(problem, config, lambda ratio: min(ratio, config.importance.cap))


def icepop(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """IcePop's ``M(k)`` (arXiv 2510.18855): k inside the band, 0 outside."""
    assert config.token_band is not None
    low, high = config.token_band
    return decoupled(problem, config, lambda ratio: ratio if low <= ratio <= high else 0.0)


def cispo(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 2506.13585, eq. 4 and 5: ``sg(min(r, 1 + eps_high)) A log pi`` over all tokens; no lower
    bound."""

    def weight(token: Token) -> float:
        return min(math.exp(float(token.policy.detach()) - token.behavior), 1 + config.likelihood.clip_high)

    total = zero()
    for group in problem.groups:
        for sequence, advantage in zip(group, standardised(group), strict=True):
            for token in sequence.tokens:
                total = total + weight(token) * advantage * token.policy
    return -total / problem.num_tokens
