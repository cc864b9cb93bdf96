"""The simplest reward: the text is the answer, letter by letter."""

from rewards.accepted import accepted_answers
from rewards.components.final_text import final_text, is_tagged
from rewards.components.words import normalise as normalised
from rewards.verdicts import right, wrong
from rollout.types import Prompt, RewardResult


class ExactReward:
    """1 if the completion equals the reference answer, surrounding whitespace aside.

    Any of ``metadata.answers`` is right, where a prompt has several.

    Args:
        ignore_case: Capitals and small letters are the same.
        normalise: Compare what follows the thinking (inside the answer tags, if there are any), in lower
            case, without punctuation, English articles and extra spaces: ``<answer>The Elephant!</answer>``
            is ``elephant``.
    """

    def __init__(self, *, ignore_case: bool = False, normalise: bool = False) -> None:
        self._ignore_case, self._normalise = ignore_case, normalise

    def check(self, prompt: Prompt) -> None:
        """Raise ``ValueError`` if no text could be right."""
        if not any(self._compared(answer) for answer in accepted_answers(prompt)):
            raise ValueError(
                f"prompt {prompt.id}: the answer {prompt.answer!r} has nothing to compare with; fill it or"
                " remove the row"
            )

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text; one that was cut off might have gone on ("12" of "120"), unless its
        answer tags are closed."""
        given = self._compared(final_text(prompt, text) if self._normalise else text)
        if truncated and not (self._normalise and is_tagged(prompt, text)):
            return wrong("truncated")
        if given and any(given == self._compared(answer) for answer in accepted_answers(prompt)):
            return right()
        return wrong("wrong" if given else "no answer" if text.strip() else "empty")

    def _compared(self, text: str) -> str:
        if self._normalise:
            return normalised(text)
        return text.strip().casefold() if self._ignore_case else text.strip()

    def gold_texts(self, prompt: Prompt) -> list[str]:
        """The answers themselves."""
        return list(accepted_answers(prompt))


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    return Prompt(id="example", text="2 + 2 =", token_ids=(), answer="4"), " 4\n"
