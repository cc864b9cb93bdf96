"""Prices of a text's length, and the cosine length reward.

Lengths in characters or words: a reward sees text. Rewards on tokens, and relative to the group or to a
budget, are curriculum parts (``curricula.lengths.length_rewards``).
"""

import math
from typing import Literal

from rewards.components.words import words
from rewards.verdicts import form
from rollout.types import Prompt, RewardResult

Unit = Literal["characters", "words"]


def length_of(text: str, unit: Unit) -> int:
    """Characters or words."""
    return len(text) if unit == "characters" else len(words(text))


def check_unit(unit: str) -> None:
    """Raise ``ValueError`` for an unknown unit."""
    if unit not in ("characters", "words"):
        raise ValueError(f"unit: {unit!r} is unknown; use characters or words (tokens: curriculum=overlong)")


def linear_penalty(length: float, *, free: float, limit: float, penalty: float) -> float:
    """0 up to ``free``, then linearly down to ``-penalty`` at ``limit`` and beyond.

    Example with free 100, limit 200, penalty 1: lengths 100, 150, 200, 999 give 0, -0.5, -1, -1.
    """
    return -penalty * min(1.0, max(0.0, (length - free) / (limit - free))) or 0.0


def cosine_scaled(length: float, *, limit: float, at_zero: float, at_limit: float) -> float:
    """Half a cosine from ``at_zero`` at length 0 to ``at_limit`` at ``limit`` and beyond (Yeo et al. 2025,
    arXiv 2502.03373).

    Example with limit 100 from 1 to 0.5: lengths 0, 25, 50, 100 give 1, .9268, .75, .5.
    """
    share = min(1.0, length / limit)
    return at_limit + (at_zero - at_limit) * (1 + math.cos(math.pi * share)) / 2


class LengthReward:
    """A form-only component: 0 up to ``free``, then down to ``-penalty`` at ``limit``, linearly.

    Args:
        free: Length that costs nothing.
        limit: Length that costs all.
        penalty: What it costs then.
        unit: ``characters`` or ``words``.

    Raises:
        ValueError: The limits are crossed, the penalty is not positive, or the unit is unknown.
    """

    form_only = True

    def __init__(
        self, *, free: float = 1000, limit: float = 4000, penalty: float = 1.0, unit: Unit = "characters"
    ) -> None:
        check_unit(unit)
        if not 0 <= free < limit:
            raise ValueError(f"free: {free} and limit: {limit} must be 0 <= free < limit")
        if penalty <= 0:
            raise ValueError(f"penalty: {penalty} must be positive; it is subtracted")
        self._free, self._limit, self._penalty, self._unit = free, limit, penalty, unit

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Return the price of this text's length."""
        length = length_of(text, self._unit)
        return form(
            linear_penalty(length, free=self._free, limit=self._limit, penalty=self._penalty), "too long"
        )


def example() -> tuple[Prompt, str]:
    """A prompt and a text that costs nothing."""
    return Prompt(id="example", text="2 + 2 =", token_ids=(), answer="4"), "4"
