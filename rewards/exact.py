"""The simplest reward: the text is the answer, letter by letter."""

from rewards.components.final_text import final_text
from rewards.components.words import normalise as normalised
from rollout.types import Prompt, RewardResult


class ExactReward:
    """1 if the completion equals the reference answer, surrounding whitespace aside.

    Args:
        ignore_case: Capitals and small letters are the same.
        normalise: Compare what follows the thinking (inside the answer tags, if there are any), in lower case, without punctuation,
            English articles and extra spaces: ``<answer>The Elephant!</answer>`` is ``elephant``.
    """

    def __init__(self, *, ignore_case: bool = False, normalise: bool = False) -> None:
        self._ignore_case, self._normalise = ignore_case, normalise

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text; where it was cut does not matter, since nothing may follow the answer anyway."""
        given, wanted = text.strip(), prompt.answer.strip()
        if self._normalise:
            given, wanted = normalised(final_text(text)), normalised(wanted)
        elif self._ignore_case:
            given, wanted = given.casefold(), wanted.casefold()
        if given and given == wanted:
            return RewardResult(value=1.0, correct=True)
        return RewardResult(value=0.0, correct=False, reason="wrong" if given else "empty")


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    return Prompt(id="example", text="2 + 2 =", token_ids=(), answer="4"), " 4\n"
