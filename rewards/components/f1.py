"""F1 over words, for short free answers."""

from collections import Counter

from rewards.accepted import KEY, accepted_answers
from rewards.components.final_text import final_text, is_tagged
from rewards.components.words import normalise
from rewards.verdicts import graded, wrong
from rollout.types import Prompt, RewardResult


def f1(given: str, wanted: str) -> float:
    """Harmonic mean of precision and recall over normalised words, with multiplicity (SQuAD, arXiv
    1606.05250).

    Example: "the red house" against "a house" shares "house": precision 1/2, recall 1, F1 2/3.
    """
    left, right = Counter(normalise(given).split()), Counter(normalise(wanted).split())
    shared = (left & right).total()
    return 2 * shared / (left.total() + right.total()) if shared else 0.0


class F1Reward:
    """The best F1 of the final text over the accepted answers; correct from ``threshold`` on.

    Args:
        threshold: F1 that counts as correct.

    Raises:
        ValueError: The threshold is not in (0, 1].
    """

    def __init__(self, *, threshold: float = 1.0) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold: {threshold} must be in (0, 1]")
        self._threshold = threshold

    def check(self, prompt: Prompt) -> None:
        """Raise ``ValueError`` if no text could be right."""
        if isinstance(prompt.metadata.get(KEY), str):
            raise ValueError(
                f"prompt {prompt.id}: metadata.{KEY} is one text; give a list of accepted answers"
            )
        if not any(normalise(answer) for answer in accepted_answers(prompt)):
            raise ValueError(
                f"prompt {prompt.id}: f1 has no answer with a word in it to compare with; fill answer or"
                f" metadata.{KEY}"
            )

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text."""
        given = final_text(prompt, text)
        if not given or (truncated and not is_tagged(prompt, text)):
            return wrong("truncated" if truncated else "no answer" if text.strip() else "empty")
        best = max((f1(given, wanted) for wanted in accepted_answers(prompt)), default=0.0)
        return graded(best, "wrong", full=self._threshold)

    def gold_texts(self, prompt: Prompt) -> list[str]:
        """The accepted answers."""
        return list(accepted_answers(prompt))


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    return (
        Prompt(id="example", text="Who wrote it?", token_ids=(), answer="Jane Austen"),
        "<think>her?</think> Jane Austen.",
    )
