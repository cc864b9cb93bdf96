"""Cosine length reward: right answers are worth more the shorter they are, wrong ones cost less the longer
they tried."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rewards import build_reward, timeout_means
from rewards.components.length import Unit, check_unit, cosine_scaled, length_of
from rewards.user_functions.returned import ask
from rollout.types import Prompt, RewardResult


class CosineLengthReward:
    """Another reward's verdict, its value scaled by length (Yeo et al. 2025, arXiv 2502.03373, section 4.1).

    With c = (1 + cos(pi min(1, length / limit))) / 2, which falls from 1 to 0: right answers get
    ``correct_long + c (correct_short - correct_long)``, wrong ones ``wrong_long + c (wrong_short -
    wrong_long)``.

    Example with the defaults and limit 100: right at 0, 50, 100 gives 1, .75, .5; wrong gives -1, -.75, -.5.

    Args:
        reward: The verdict: a name from ``rewards.REWARDS`` or an import path.
        args: Its keyword arguments.
        limit: Length from which nothing changes any more.
        unit: ``characters`` or ``words``.
        correct_short: Value of a right answer of length 0.
        correct_long: Of a right answer at the limit.
        wrong_short: Of a wrong answer of length 0.
        wrong_long: Of a wrong answer at the limit.

    Raises:
        ValueError: The inner reward cannot be built, or a right answer could be worth no more than a wrong
            one.
    """

    def __init__(
        self,
        *,
        reward: str = "math",
        args: Mapping[str, Any] | None = None,
        limit: float = 4000,
        unit: Unit = "characters",
        correct_short: float = 1.0,
        correct_long: float = 0.5,
        wrong_short: float = -1.0,
        wrong_long: float = -0.5,
    ) -> None:
        check_unit(unit)
        if limit <= 0:
            raise ValueError(f"limit: {limit} must be positive")
        if min(correct_short, correct_long) <= max(wrong_short, wrong_long):
            raise ValueError(
                "correct_short, correct_long: a right answer must always be worth more than a wrong one"
            )
        self._inner = build_reward(reward, args)
        if getattr(self._inner, "form_only", False):
            raise ValueError(
                f"reward: {reward!r} judges form only, so there is nothing right to scale; name a verifier"
            )
        self.pure = getattr(self._inner, "pure", True)
        self.on_timeout = timeout_means(reward, self._inner)
        self._limit, self._unit = limit, unit
        self._correct, self._wrong = (correct_short, correct_long), (wrong_short, wrong_long)

    def check(self, prompt: Prompt) -> None:
        """Let the inner reward say what it misses of a prompt."""
        inner = getattr(self._inner, "check", None)
        if inner is not None:
            inner(prompt)

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text."""
        result = ask(self._inner, prompt, text, truncated=truncated)
        if not result.judged:
            return result
        at_zero, at_limit = self._correct if result.correct else self._wrong
        value = cosine_scaled(
            length_of(text, self._unit), limit=self._limit, at_zero=at_zero, at_limit=at_limit
        )
        return replace(result, value=value)


def example() -> tuple[Prompt, str]:
    """A prompt and a right text, worth 1 less what its length takes."""
    return Prompt(id="example", text="2 + 2 =", token_ids=(), answer="4"), "#### 4"
