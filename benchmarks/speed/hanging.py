"""Rewards for ``benchmarks/speed/verifiers.py``: the maths reward with marked texts that never end, and a
program under a sandbox."""

from rewards.maths import MathReward
from rollout.types import Prompt, RewardResult

MARK = "<<hang>>"
"""A text that ends in it keeps the verifier busy for ever."""


class HangingMath:
    """The maths reward; marked texts burn CPU without end."""

    def __init__(self) -> None:
        self._math = MathReward()

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge, or do not."""
        while text.endswith(MARK):
            pass
        return self._math(prompt, text, truncated=truncated)


def preload() -> None:
    """As the maths reward."""
    from rewards.maths import preload as of_maths

    of_maths()
