"""Orthogonal parts that no preset switches on, each as a change of GRPO: ``name -> (overrides, oracle)``."""

import math

import torch

from rl.config.algorithm import AlgorithmConfig
from tests.unit.objective.oracles.grouped import grpo, standardised
from tests.unit.objective.oracles.problem import Problem, mean, surrogate, zero


def sequence_truncated(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """Decoupled PPO times one ``min(pi_start(y) / mu(y), cap)`` for the answer."""
    total = zero()
    for group in problem.groups:
        for sequence, advantage in zip(group, standardised(group), strict=True):
            weight = min(math.exp(sum(t.start - t.behavior for t in sequence.tokens)), config.importance.cap)
            for token in sequence.tokens:
                total = total + weight * surrogate(
                    token, token.start, advantage, config.mask.clip_low, config.mask.clip_high
                )
    return -total / problem.num_tokens


def sequence_masked(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """Answers whose geometric mean ratio is outside the band lose their gradient."""
    assert config.sequence_band is not None
    low, high = config.sequence_band
    total = zero()
    for group in problem.groups:
        for sequence, advantage in zip(group, standardised(group), strict=True):
            if low <= math.exp(mean([t.start - t.behavior for t in sequence.tokens])) <= high:
                for token in sequence.tokens:
                    total = total + surrogate(
                        token, token.start, advantage, config.mask.clip_low, config.mask.clip_high
                    )
    return -total / problem.num_tokens


def dual_clipped(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 1912.09729, eq. 5: ``max(min(r A, clip(r) A), c A)`` where A < 0."""
    total = zero()
    for group in problem.groups:
        for sequence, advantage in zip(group, standardised(group), strict=True):
            for token in sequence.tokens:
                own = surrogate(token, token.behavior, advantage, config.mask.clip_low, config.mask.clip_high)
                total = total + (
                    torch.clamp(own, min=config.mask.dual_clip * advantage) if advantage < 0 else own
                )
    return -total / problem.num_tokens


def prompts_alike(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """Each sample's term times (mean group size) / (size of its group), over the same denominator."""
    total = zero()
    size = len(problem.sequences) / len(problem.groups)
    for group in problem.groups:
        for sequence, advantage in zip(group, standardised(group), strict=True):
            for token in sequence.tokens:
                own = surrogate(token, token.behavior, advantage, config.mask.clip_low, config.mask.clip_high)
                total = total + size / len(group) * own
    return -total / problem.num_tokens


def with_k3(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """GRPO's own KL term (arXiv 2402.03300, eq. 4) on every token: ``pi_ref / pi - log(pi_ref / pi) - 1``."""
    penalty = zero()
    for _, token in problem.every_token():
        penalty = penalty + torch.exp(token.base - token.policy) - (token.base - token.policy) - 1
    return grpo(problem, config) + config.kl.coefficient * penalty / problem.num_tokens


def by_sequence(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """GRPO as published (arXiv 2402.03300, eq. 3): the mean over answers of the mean over their tokens."""
    total = zero()
    for group in problem.groups:
        for sequence, advantage in zip(group, standardised(group), strict=True):
            for token in sequence.tokens:
                own = surrogate(token, token.behavior, advantage, config.mask.clip_low, config.mask.clip_high)
                total = total + own / len(sequence.tokens)
    return -total / len(problem.sequences)


VARIATIONS = {
    "sequence_importance": (
        ["algorithm.reference=proximal", "algorithm.importance=sequence"],
        sequence_truncated,
    ),
    "sequence_band": (["algorithm.reference=proximal", "algorithm.sequence_band=[0.9,1.1]"], sequence_masked),
    "dual_clip": (["algorithm.mask=dual_clip", "algorithm.mask.dual_clip=1.4"], dual_clipped),
    "group_weight": (["algorithm.group_weight=prompt"], prompts_alike),
    "k3_in_loss": (["algorithm.kl.coefficient=0.3", "algorithm.kl.estimator=k3"], with_k3),
    "sequence_mean": (["algorithm.aggregation=sequence"], by_sequence),
}
