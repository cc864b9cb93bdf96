"""The simplest reward: the text is the answer, letter by letter."""

from rollout.types import Prompt, RewardResult


class ExactReward:
    """1 if the completion equals the reference answer, surrounding whitespace aside."""

    def __init__(self, *, ignore_case: bool = False) -> None:
        self._ignore_case = ignore_case

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text; where it was cut does not matter, since nothing may follow the answer anyway."""
        given, wanted = text.strip(), prompt.answer.strip()
        if self._ignore_case:
            given, wanted = given.casefold(), wanted.casefold()
        if given and given == wanted:
            return RewardResult(value=1.0, correct=True)
        return RewardResult(value=0.0, correct=False, reason="wrong" if given else "empty")


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    return Prompt(id="example", text="2 + 2 =", token_ids=(), answer="4"), " 4\n"
