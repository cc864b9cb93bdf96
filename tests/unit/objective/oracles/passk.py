"""pass@k: every estimator by enumeration of all subsets, as it is defined, not by its closed form."""

from itertools import combinations
from math import comb

import torch
from scipy.integrate import quad
from scipy.stats import beta

from rl.config.algorithm import AlgorithmConfig
from tests.unit.objective.oracles.grouped import clipped_objective
from tests.unit.objective.oracles.problem import Problem, Sequence, mean

WEIGHT_RANGE = (0.1, 8.0)


def subsets_max(rewards: list[float], k: int, member: int) -> float:
    """PKPO's ``s_i`` (arXiv 2505.15201): the mean over all subsets of k of their best reward, counted where i
    is a member."""
    chosen = [
        max(rewards[j] for j in subset) for subset in combinations(range(len(rewards)), k) if member in subset
    ]
    return sum(chosen) / comb(len(rewards), k)


def s(rewards: list[float], k: int) -> list[float]:
    return [subsets_max(rewards, k, i) for i in range(len(rewards))]


def s_loo(rewards: list[float], k: int) -> list[float]:
    """``s_i`` less the mean of the s_j that the others would have without i (section 4.1); k at most what is
    left."""
    n = len(rewards)
    k = min(k, n - 1)
    return [own - mean(s(rewards[:i] + rewards[i + 1 :], k)) for i, own in enumerate(s(rewards, k))]


def s_loo_minus_one(rewards: list[float], k: int) -> list[float]:
    """What i adds to the best of each of its subsets (section 4.2), for k > 1."""
    n = len(rewards)
    out = []
    for i in range(n):
        added = 0.0
        for subset in combinations(range(n), k):
            if i in subset:
                added += max(rewards[j] for j in subset) - max(rewards[j] for j in subset if j != i)
        out.append(added / comb(n, k))
    return out


def weighted(rewards: list[float], k: int, posterior: tuple[float, float]) -> list[float]:
    """RLOO over n, times ``E[k (1 - p)^(k - 1)]`` under the prompt's Beta, by numerical integration."""
    density = beta(*posterior).pdf
    expected, _ = quad(lambda p: k * (1 - p) ** (k - 1) * density(p), 0, 1)
    weight = min(max(expected, WEIGHT_RANGE[0]), WEIGHT_RANGE[1])
    n = len(rewards)
    return [weight / n * (r - mean(rewards[:i] + rewards[i + 1 :])) for i, r in enumerate(rewards)]


def analytic(rewards: list[float], k: int) -> list[float]:
    """Chen et al. (arXiv 2508.10751, section 2.4): two values, from the numbers of right and wrong
    answers."""
    n, wrong = len(rewards), rewards.count(0.0)
    best = 1 - comb(wrong, k) / comb(n, k)
    if best in (0.0, 1.0):
        return [0.0] * n
    sigma = (best * (1 - best)) ** 0.5
    of_wrong = (1 - best - comb(wrong - 1, k - 1) / comb(n - 1, k - 1)) / sigma
    return [(1 - best) / sigma if r == 1 else of_wrong for r in rewards]


# -- the presets ---------------------------------------------------------------------------------------------


def passk(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """The marginal contribution up to k = n / 2, the posterior weight above."""
    return _loss(problem, by_rms([suited(group, config.pass_k) for group in problem.groups]), config)


def suited(group: list[Sequence], k: int) -> list[float]:
    rewards = [m.reward for m in group]
    if len(set(rewards)) == 1:
        return [0.0] * len(group)
    if 1 < k <= len(group) / 2:
        return s_loo_minus_one(rewards, k)
    return weighted(rewards, k, group[0].posterior)


def planner_loop(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """``s^{loo-1}(k_x) - lambda (k_x / n) (L_i - mean L of the others)``, the second in groups with a success
    (docs/methods/passk_training.md#the-loop)."""
    advantages = []
    for group in problem.groups:
        n, k = len(group), group[0].pass_k
        assert k is not None
        values = suited(group, k)
        if n > 1 and any(m.reward == 1 for m in group):
            for i, member in enumerate(group):
                others = mean([float(len(m.tokens)) for m in group if m is not member])
                values[i] -= member.token_price * k / n * (len(member.tokens) - others)
        advantages.append(values)
    return _loss(problem, by_rms(advantages), config)


def passk_s(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    return _loss(problem, by_rms(_each_group(problem, config, s)), config)


def passk_s_loo(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    return _loss(problem, by_rms(_each_group(problem, config, s_loo)), config)


def passk_chen(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    return _loss(problem, _each_group(problem, config, analytic), config)


def _each_group(problem: Problem, config: AlgorithmConfig, estimator) -> list[list[float]]:
    out = []
    for group in problem.groups:
        rewards = [m.reward for m in group]
        silent = len(set(rewards)) == 1
        out.append([0.0] * len(group) if silent else estimator(rewards, min(config.pass_k, len(group))))
    return out


def by_rms(advantages: list[list[float]]) -> list[list[float]]:
    """Divided by the root mean square of those that are not 0."""
    nonzero = [a for group in advantages for a in group if a != 0]
    scale = (sum(a * a for a in nonzero) / len(nonzero)) ** 0.5
    return [[a / scale for a in group] for group in advantages]


def _loss(problem: Problem, advantages: list[list[float]], config: AlgorithmConfig) -> torch.Tensor:
    return -clipped_objective(problem, advantages, config) / problem.num_tokens
