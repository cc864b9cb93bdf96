"""Advantages from the whole batch, and a KL to a reference policy: PPO with a critic, REINFORCE++."""

import torch

from rl.config.algorithm import AlgorithmConfig
from tests.unit.objective.oracles.grouped import centred
from tests.unit.objective.oracles.problem import Problem, mean, std, surrogate, zero


def whitened(rows: list[list[float]]) -> list[list[float]]:
    """Mean 0 and standard deviation 1 over the tokens of all rows."""
    flat = [value for row in rows for value in row]
    centre, spread = mean(flat), std(flat)
    return [[(value - centre) / spread for value in row] for row in rows]


def clipped_tokens(problem: Problem, advantages: list[list[float]], config: AlgorithmConfig) -> torch.Tensor:
    """PPO's loss with an advantage for every token, a mean over tokens."""
    total = zero()
    for sequence, row in zip(problem.sequences, advantages, strict=True):
        for token, advantage in zip(sequence.tokens, row, strict=True):
            total = total + surrogate(
                token, token.behavior, advantage, config.mask.clip_low, config.mask.clip_high
            )
    return -total / problem.num_tokens


# -- REINFORCE++ ---------------------------------------------------------------------------------------------


def reinforce_pp(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 2501.03262, eq. 5 and 6: ``A_t = r - beta * sum over i >= t of KL(i)``, ``KL(t) = log pi /
    pi_ref``; then whitened."""
    rows = []
    for sequence in problem.sequences:
        kl = [config.kl.coefficient * (token.behavior - token.base) for token in sequence.tokens]
        rows.append([sequence.reward - sum(kl[t:]) for t in range(len(kl))])
    return clipped_tokens(problem, whitened(rows), config)


def reinforce_pp_baseline(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 2501.03262, section 3.3: the group's mean off the reward, then whitened; k2 as a loss: ``(log
    ratio)^2 / 2``."""
    rows = []
    for group in problem.groups:
        rows += [
            [advantage] * len(sequence.tokens)
            for sequence, advantage in zip(group, centred(group), strict=True)
        ]
    penalty = zero()
    for _, token in problem.every_token():
        penalty = penalty + (token.policy - token.base) ** 2 / 2
    return (
        clipped_tokens(problem, whitened(rows), config) + config.kl.coefficient * penalty / problem.num_tokens
    )


# -- PPO -----------------------------------------------------------------------------------------------------


def token_rewards(problem: Problem, config: AlgorithmConfig) -> list[list[float]]:
    """``-beta (log mu - log pi_ref)`` at each token, the reward at the last (arXiv 2203.02155, eq. 2); scaled
    to unit variance."""
    rows = []
    for sequence in problem.sequences:
        row = [-config.kl.coefficient * (token.behavior - token.base) for token in sequence.tokens]
        row[-1] += sequence.reward
        rows.append(row)
    if config.advantage.whiten_rewards:
        spread = std([value for row in rows for value in row])
        rows = [[value / spread for value in row] for row in rows]
    return rows


def generalised_advantages(problem: Problem, config: AlgorithmConfig) -> list[list[float]]:
    """arXiv 1506.02438, by its recursion from the last token: ``A_t = delta_t + gamma lambda A_{t+1}``."""
    rows = []
    for sequence, rewards in zip(problem.sequences, token_rewards(problem, config), strict=True):
        following_value = following = 0.0
        row: list[float] = []
        for token, reward in zip(reversed(sequence.tokens), reversed(rewards), strict=True):
            delta = reward + config.advantage.gamma * following_value - token.old_value
            following = delta + config.advantage.gamma * config.advantage.lam * following
            following_value = token.old_value
            row.insert(0, following)
        rows.append(row)
    return rows


def ppo(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 1707.06347, eq. 7, on whitened generalised advantages."""
    return clipped_tokens(problem, whitened(generalised_advantages(problem, config)), config)


def ppo_values(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """The critic's: half the larger of the squared errors with and without the clip around the old value, a
    mean over tokens."""
    assert config.critic is not None and config.critic.clip is not None
    total = zero()
    for sequence, row in zip(problem.sequences, generalised_advantages(problem, config), strict=True):
        for token, advantage in zip(sequence.tokens, row, strict=True):
            target = advantage + token.old_value
            near = torch.clamp(
                token.value, token.old_value - config.critic.clip, token.old_value + config.critic.clip
            )
            total = total + torch.maximum((token.value - target) ** 2, (near - target) ** 2) / 2
    return total / problem.num_tokens
