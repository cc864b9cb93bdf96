"""One update as an oracle sees it: sequences of tokens, each with the numbers that the papers' formulas
name."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True, kw_only=True)
class Token:
    """One loss token."""

    policy: torch.Tensor
    """[] log pi_theta, float64, with its gradient."""
    behavior: float
    """log mu, of the policy version that sampled this token."""
    start: float
    """log pi at the start of the batch (the proximal policy)."""
    base: float
    """log pi_ref."""
    value: torch.Tensor
    """[] V(s), float64, with its gradient."""
    old_value: float
    """V(s) at the start of the batch."""


@dataclass(kw_only=True)
class Sequence:
    """One sample."""

    tokens: list[Token]
    reward: float
    group: int
    shown: bool = False
    """A demonstration."""
    posterior: tuple[float, float] = (1.0, 1.0)
    """Beta of the prompt's pass rate before this group."""
    pass_k: int | None = None
    """The planner's target for its group."""
    token_price: float = 0.0
    """The planner's lambda."""
    budget_scores: list[float] | None = None
    """Mean score of the answers given at each thinking budget; None for an answer."""


@dataclass(kw_only=True)
class Problem:
    """One update."""

    sequences: list[Sequence]
    max_tokens: int
    groups: list[list[Sequence]] = field(init=False)

    def __post_init__(self) -> None:
        numbers = sorted({s.group for s in self.sequences})
        self.groups = [[s for s in self.sequences if s.group == number] for number in numbers]

    @property
    def num_tokens(self) -> int:
        return sum(len(s.tokens) for s in self.sequences)

    def every_token(self) -> Iterator[tuple[Sequence, Token]]:
        for sequence in self.sequences:
            for token in sequence.tokens:
                yield sequence, token


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def std(values: list[float]) -> float:
    """With n - 1."""
    centre = mean(values)
    return (sum((v - centre) ** 2 for v in values) / (len(values) - 1)) ** 0.5


def zero() -> torch.Tensor:
    return torch.zeros((), dtype=torch.float64)


def surrogate(token: Token, old: float, advantage: float, low: float, high: float) -> torch.Tensor:
    """``min(r A, clip(r, 1 - low, 1 + high) A)`` with ``r = pi_theta / pi_old`` (PPO, arXiv 1707.06347, eq.
    7)."""
    ratio = torch.exp(token.policy - old)
    return torch.minimum(ratio * advantage, torch.clamp(ratio, 1 - low, 1 + high) * advantage)
