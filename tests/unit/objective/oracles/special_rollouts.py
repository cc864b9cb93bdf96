"""Objectives that need rollouts of their own: BRPO's budgets, HPT's demonstrations."""

import torch

from rl.config.algorithm import AlgorithmConfig
from tests.unit.objective.oracles.grouped import centred
from tests.unit.objective.oracles.problem import Problem, Sequence, mean, surrogate, zero


def hpt(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 2509.04419: groups that failed are one demonstration with a supervised loss, the others REINFORCE
    with the ratio, unclipped, in Dr. GRPO's form; all over ``samples * max_tokens``."""
    assert config.demonstrations is not None
    total = zero()
    for group in problem.groups:
        for sequence, advantage in zip(group, centred(group), strict=True):
            for token in sequence.tokens:
                if sequence.shown:
                    total = total + config.demonstrations.coefficient * token.policy
                else:
                    total = total + torch.exp(token.policy - token.behavior) * advantage
    return -total / (len(problem.sequences) * problem.max_tokens)


def brpo(problem: Problem, config: AlgorithmConfig) -> torch.Tensor:
    """arXiv 2505.13438: thinking tokens by :func:`thinking`, answers by the group's mean, both with PPO's
    clip."""
    total = zero()
    for group in problem.groups:
        if group[0].budget_scores is None:
            rows = [[a] * len(s.tokens) for s, a in zip(group, centred(group), strict=True)]
        else:
            rows = thinking(group, config)
        for sequence, row in zip(group, rows, strict=True):
            for token, advantage in zip(sequence.tokens, row, strict=True):
                total = total + surrogate(
                    token, token.behavior, advantage, config.mask.clip_low, config.mask.clip_high
                )
    return -total / (len(problem.sequences) * problem.max_tokens)


def thinking(group: list[Sequence], config: AlgorithmConfig) -> list[list[float]]:
    """An advantage for each thinking token: those up to budget b_1 get stretch 0's, those from b_1 + 1 to b_2
    stretch 1's, ...

    ``A_s = R_s - (s/S) V1_s - ((S - s)/S) V2_s`` with ``R_s = sum over j >= s of P_j r_j``; V1 weighs the
    sample's own earlier scores by 2^j, times the prior still to come; V2 is the group's mean of R_s. Uniform
    prior.
    """
    budgets = config.advantage.budgets.tokens
    count = len(budgets)
    prior = [1 / count] * count
    assert config.advantage.budgets.prior == "uniform" and config.advantage.budgets.baseline == "brpo"

    def to_come(sequence: Sequence, s: int) -> float:
        assert sequence.budget_scores is not None
        return sum(prior[j] * sequence.budget_scores[j] for j in range(s, count))

    rows = []
    for sequence in group:
        scores = sequence.budget_scores
        assert scores is not None
        by_stretch = []
        for s in range(count):
            own = (
                sum(2**j * scores[j] for j in range(s)) / sum(2**j for j in range(s)) * sum(prior[s:])
                if s
                else 0.0
            )
            shared = mean([to_come(member, s) for member in group])
            by_stretch.append(to_come(sequence, s) - s / count * own - (count - s) / count * shared)
        stretches = [
            next(s for s, b in enumerate(budgets) if number <= b)
            for number in range(1, len(sequence.tokens) + 1)
        ]
        rows.append([by_stretch[s] for s in stretches])
    return rows
