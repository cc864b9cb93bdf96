"""Baselines from the group, a clipped ratio for each token: GRPO and its nearest relatives."""

import torch

from rl.config.algorithm import AlgorithmConfig
from tests.unit.objective.oracles.problem import Problem, Sequence, mean, std, surrogate, zero

STD_EPSILON = 1e-4
"""The paper has none; code (TRL's as well as ours) adds this to the standard deviation."""


def standardised(group: list[Sequence], rewards: list[float] | None = None) -> list[float]:
    """GRPO's advantages of one group (arXiv 2402.03300, section 4.1): ``(r - mean) / std``; 0 where no two
    differ."""
    values = [s.reward for s in group] if rewards is None else rewards
    if len(set(values)) == 1:
        return [0.0] * len(group)
    return [(v - mean(values)) / (std(values) + STD_EPSILON) for v in values]


def centred(group: list[Sequence]) -> list[float]:
    """Dr. GRPO's advantages (arXiv 2503.20783, section 3.2)."""
    return [s.reward - mean([m.reward for m in group]) for s in group]


def clipped_objective(
    problem: Problem, advantages: list[list[float]], config: AlgorithmConfig
) -> torch.Tensor:
    """The sum of PPO's surrogate over all tokens; ``advantages`` by group."""
    total = zero()
    for group, own in zip(problem.groups, advantages, strict=True):
        for sequence, advantage in zip(group, own, strict=True):
            for token in sequence.tokens:
                total = total + surrogate(
                    token, token.behavior, advantage, config.mask.clip_low, config.mask.clip_high
                )
    return total


def grpo(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 2402.03300, eq. 3, with clip-higher and one denominator for all tokens (arXiv 2503.14476, eq. 8
    and 10)."""
    return -clipped_objective(problem, [standardised(g) for g in problem.groups], config) / problem.num_tokens


def dr_grpo(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 2503.20783, section 3.2: no standard deviation, and a constant in place of the length: the
    generation budget."""
    total = clipped_objective(problem, [centred(g) for g in problem.groups], config)
    return -total / (len(problem.sequences) * problem.max_tokens)


def dapo(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 2503.14476, eq. 8 with the length penalty of eq. 13 added to the reward.

    ``L_cache`` is a share of ``L_max`` here, and the penalty has a coefficient; dynamic sampling is not part
    of the loss.
    """
    given = config.shaping[0].args
    longest = problem.max_tokens
    cache = float(given["buffer_share"]) * longest

    def penalty(length: int) -> float:
        if length <= longest - cache:
            return 0.0
        return ((longest - cache) - length) / cache if length <= longest else -1.0

    shaped = [
        [s.reward + float(given["penalty"]) * penalty(len(s.tokens)) for s in group]
        for group in problem.groups
    ]
    advantages = [standardised(group, rewards) for group, rewards in zip(problem.groups, shaped, strict=True)]
    return -clipped_objective(problem, advantages, config) / problem.num_tokens


def max_rl(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 2602.02710: ``(r - mean) / mean``, 0 where the whole group failed."""
    advantages = []
    for group in problem.groups:
        rate = mean([s.reward for s in group])
        advantages.append([0.0 if rate == 0 else (s.reward - rate) / rate for s in group])
    return -clipped_objective(problem, advantages, config) / problem.num_tokens
