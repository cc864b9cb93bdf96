"""The last number of a completion, wherever it stands: for models that answer in free words."""

import re
from fractions import Fraction

from rewards.components.final_text import final_text, is_tagged
from rewards.verdicts import right, wrong
from rollout.types import Prompt, RewardResult

# A sign belongs to the number unless it follows an operand ("10-7" ends in 7). Commas group three digits.
_NUMBER = re.compile(r"(?:(?<![\w.)\]])[-+])?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?", re.ASCII)
_MINUS = str.maketrans("\N{MINUS SIGN}\N{EN DASH}", "--")
MAX_DIGITS = 100
"""A longer number is no answer; reading it would take quadratic time."""


class LastNumberReward:
    """1 if the last number of the completion is the last number of the reference answer.

    Reads what follows the thinking, inside the answer tags if there are any. Numbers are compared exactly:
    ``7``, ``7.0``, ``+7`` and ``07`` are the same. The reference may be a worked solution that ends in its
    answer, as GSM8K's ``#### 72``. Of a list of numbers only the last one counts, so listing gains no more
    than one guess; but words around the number are not read: "not 7" is 7, and "7 apples, 2 each" is 2.
    """

    def check(self, prompt: Prompt) -> None:
        """Raise ``ValueError`` if the reference has no number."""
        if last_number(prompt.answer) is None:
            raise ValueError(
                f"prompt {prompt.id}: the answer {prompt.answer!r} has no number (of at most {MAX_DIGITS}"
                " characters) as its last; remove the row, or use another task.reward"
            )

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text; one that was cut off might have gone on ("12" of "120"), unless its
        answer tags are closed."""
        if truncated and not is_tagged(prompt, text):
            return wrong("truncated")
        found = last_number(final_text(prompt, text))
        if found is None:
            return wrong("no answer" if text.strip() else "empty")
        return right() if found == last_number(prompt.answer) else wrong("wrong")

    def gold_texts(self, prompt: Prompt) -> list[str]:
        """The reference itself."""
        return [prompt.answer]


def last_number(text: str) -> Fraction | None:
    """The last number of a text; None if it has none, or one of more than ``MAX_DIGITS`` characters.

    Example: ``"3 - 10 = -7."`` gives -7, ``"1,234 of 10-7"`` gives 7.
    """
    numbers = _NUMBER.findall(text.translate(_MINUS))
    if not numbers or len(numbers[-1]) > MAX_DIGITS:
        return None
    return Fraction(numbers[-1].replace(",", ""))


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    return Prompt(id="example", text="What is 3 + 5?", token_ids=(), answer="8"), "3 + 5 = 8."
