r"""Multiple choice: the letter that a completion commits to."""

from collections.abc import Sequence

from rewards.components.choices import commitment_of
from rewards.golds import in_words
from rewards.thinking import after_thinking
from rewards.verdicts import right, wrong
from rollout.types import Prompt, RewardResult


def chosen(prompt: Prompt, text: str, labels: Sequence[str]) -> str | None:
    """The label that ``text`` settles on after its thinking; None if it settles on none, or on several."""
    return commitment_of(after_thinking(prompt, text), labels)[0]


class MultipleChoiceReward:
    """1 if the completion settles on the reference label.

    Args:
        labels: The choices' names.

    Raises:
        ValueError: Fewer than two labels.
    """

    def __init__(self, *, labels: Sequence[str] = ("A", "B", "C", "D", "E")) -> None:
        if len(set(labels)) < 2:
            raise ValueError(f"labels: {list(labels)} leaves nothing to choose; name at least two")
        self._labels = tuple(labels)

    def check(self, prompt: Prompt) -> None:
        """Raise ``ValueError`` if the reference answer is no label."""
        self._gold(prompt)

    def _gold(self, prompt: Prompt) -> str:
        gold = prompt.answer.strip().strip("().")
        if gold not in self._labels:
            raise ValueError(
                f"prompt {prompt.id}: answer {prompt.answer!r} is none of the labels {list(self._labels)}"
            )
        return gold

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text; a truncated one has not settled on anything, unless in a box or tags."""
        gold = self._gold(prompt)
        if not text.strip():
            return wrong("empty")
        choice, closed = commitment_of(after_thinking(prompt, text), self._labels)
        if truncated and not closed:
            return wrong("truncated")
        if choice is None:
            return wrong("no answer")
        return right() if choice == gold else wrong("wrong")

    def gold_texts(self, prompt: Prompt) -> list[str]:
        """The reference label, as it is usually given."""
        return in_words(self._gold(prompt))


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    return (
        Prompt(id="example", text="2 + 2 = (A) 3 (B) 4", token_ids=(), answer="B"),
        "A is odd. The answer is (B) 4.",
    )
