"""Repeated n-grams cost something."""

from collections.abc import Hashable, Sequence

from rewards.components.words import words
from rewards.verdicts import form
from rollout.types import Prompt, RewardResult


def repetition_penalty(tokens: Sequence[Hashable], *, n: int, penalty: float) -> float:
    """``-penalty (1 - distinct n-grams / n-grams)``; 0 for fewer than n tokens (Yeo et al. 2025, arXiv
    2502.03373).

    Example with n = 2, penalty 1: ``5 5 5 5 5`` has four bigrams, one distinct: -0.75.
    """
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return -penalty * (1 - len(set(grams)) / len(grams)) or 0.0 if grams else 0.0


class RepetitionReward:
    """A form-only component: ``-penalty`` times the share of n-grams of words that are repetitions.

    Args:
        n: Words in an n-gram. Short ones punish ordinary language, too: 3 costs good prose a few hundredths.
        penalty: What nothing but repetition costs, nearly.

    Raises:
        ValueError: n below 1 or a penalty that is not positive.
    """

    form_only = True

    def __init__(self, *, n: int = 4, penalty: float = 1.0) -> None:
        if n < 1 or penalty <= 0:
            raise ValueError(
                f"n: {n} must be at least 1, penalty: {penalty} must be positive; it is subtracted"
            )
        self._n, self._penalty = n, penalty

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Return the price of this text's repetitions."""
        return form(repetition_penalty(words(text), n=self._n, penalty=self._penalty), "repetition")


def example() -> tuple[Prompt, str]:
    """A prompt and a text that costs nothing."""
    return Prompt(id="example", text="2 + 2 =", token_ids=(), answer="4"), "two and two are four"
