"""Objectives of whole answers: GSPO, Kimi's mirror descent, RLOO."""

import math

import torch

from rl.config.algorithm import AlgorithmConfig
from tests.unit.objective.oracles.grouped import centred, standardised
from tests.unit.objective.oracles.problem import Problem, Sequence, zero


def log_ratio(sequence: Sequence) -> torch.Tensor:
    """[] ``log pi_theta(y) - log mu(y)``."""
    total = zero()
    for token in sequence.tokens:
        total = total + (token.policy - token.behavior)
    return total


def gspo(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 2507.18071, eq. 5 to 7: the mean over answers of ``min(s A, clip(s) A)``, s the answer's
    length-normalised ratio."""
    total = zero()
    for group in problem.groups:
        for sequence, advantage in zip(group, standardised(group), strict=True):
            s = torch.exp(log_ratio(sequence) / len(sequence.tokens))
            bounded = torch.clamp(s, 1 - config.mask.clip_low, 1 + config.mask.clip_high)
            total = total + torch.minimum(s * advantage, bounded * advantage)
    return -total / len(problem.sequences)


def kimi(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 2501.12599, section 2.3.2: gradient ``(r - mean) d log pi - tau / 2 d (log ratio)^2`` of each
    answer.

    Over ``samples * max_tokens``, a constant. The baseline's term is written with the log-ratio, which
    differs from log pi by a constant.
    """
    total = zero()
    for group in problem.groups:
        for sequence, advantage in zip(group, centred(group), strict=True):
            ratio = log_ratio(sequence)
            total = total + advantage * ratio - config.likelihood.tau / 2 * ratio**2
    return -total / (len(problem.sequences) * problem.max_tokens)


def rloo(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 2402.14740, eq. 9: the reward less the others' mean, on the answer's log-likelihood; each token's
    gradient times ``min(pi_start / mu, cap)`` (arXiv 1802.01561). Over ``samples * max_tokens``."""
    total = zero()
    for group in problem.groups:
        for sequence in group:
            others = [s.reward for s in group if s is not sequence]
            advantage = sequence.reward - sum(others) / len(others) if others else 0.0
            for token in sequence.tokens:
                weight = min(math.exp(token.start - token.behavior), config.importance.cap)
                total = total + weight * advantage * token.policy
    return -total / (len(problem.sequences) * problem.max_tokens)
