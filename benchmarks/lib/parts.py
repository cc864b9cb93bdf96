"""Out-of-tree plug-ins that make token counts and learner work the same in every step: named
``benchmarks.lib.parts:NAME`` in a config.

Light on purpose: the verifier process imports it.
"""

import math
import zlib
from statistics import NormalDist

import numpy as np
from pydantic.dataclasses import dataclass

from curricula.base import Ctx, Curriculum
from rollout.types import Prompt, RewardResult

SOLVED = "solved"


@dataclass(frozen=True, kw_only=True)
class InOrder(Curriculum):
    """Prompts by index, round and round: step s is always the same ``num_prompts`` indices."""

    def draw(self, ctx: Ctx, cursor: int, num_prompts: int) -> tuple[np.ndarray, int]:
        """Indices ``cursor .. cursor + num_prompts`` modulo the pool."""
        return np.arange(cursor, cursor + num_prompts) % len(ctx.pool), cursor + num_prompts


@dataclass(frozen=True, kw_only=True)
class FixedLengths(Curriculum):
    """Completion tokens as a function of the prompt's index alone: the quantiles of a lognormal, over and
    over.

    Any ``period`` prompts in a row hold each quantile once, so every step of ``period`` prompts asks for the
    same tokens.
    """

    median: int
    sigma: float = 0.0
    """Of the logarithm; 0 gives every prompt the median."""
    shortest: int = 1
    longest: int = 1 << 20
    period: int = 32
    stride: int = 7
    """Coprime to the period: scatters long prompts over the step."""

    def __post_init__(self) -> None:
        if math.gcd(self.stride, self.period) != 1:
            raise ValueError(
                f"stride {self.stride} and period {self.period} share a factor, so some quantiles would be"
                " left out"
            )

    def lengths(self) -> np.ndarray:
        """[period] int64 tokens, by index modulo the period."""
        ranks = (np.arange(self.period) * self.stride) % self.period
        z = np.array([NormalDist().inv_cdf((rank + 0.5) / self.period) for rank in ranks])
        tokens = np.round(self.median * np.exp(self.sigma * z)).astype(np.int64)
        return np.clip(tokens, self.shortest, self.longest)

    def length_budget(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        """[K] int64 completion tokens."""
        return self.lengths()[np.asarray(indices) % self.period]


class HashReward:
    """A number in [0, 1) that the text fixes: almost no two rollouts of a group score alike, so every sample
    has a gradient.

    Prompts whose answer is ``solved`` score 1 throughout: groups without a gradient, which cost the learner
    no backward pass.
    """

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """CRC-32 of the text over 2**32; correct from one half up."""
        value = 1.0 if prompt.answer == SOLVED else zlib.crc32(text.encode("utf-8", "surrogatepass")) / 2**32
        return RewardResult(value=value, correct=value >= 0.5)
