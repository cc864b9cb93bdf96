"""Maths answers: extraction, exact numbers, and math-verify for everything symbolic."""

import logging
import re
from functools import lru_cache

from rewards.algebra import same_expression
from rewards.answers import NEGATION, NUMBER, WORD, extract_answer
from rewards.quantities import NUMBER_WORDS, Quantity, parse_quantity, same_quantity
from rollout.types import Prompt, RewardResult

MAX_ANSWER = 500
"""Characters; a longer answer is not parsed."""

_DELIMITERS = re.compile(r"\\left|\\right|\\displaystyle|\\[()\[\]]|\$|\*\*(?=[^*]*$)|^\*\*")
_SPACES = re.compile(r"\\[,;:! ]|[\s~]")
_WRAPPER = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|emph)\s*\{([^{}]*)\}")
_EQUALS = re.compile(r"(?<![<>!:\\])=")
_ABOUT = re.compile(r"\\approx|≈")


class MathReward:
    r"""1 if the completion's last committed answer equals the reference, as a number or by math-verify.

    Committed: ``\boxed{...}``, ``#### ...``, ``<answer>...</answer>``. Else "the answer is ..." or the last number or formula
    counts, unless the completion was truncated. The reference may itself be boxed, or a GSM8K solution that ends in ``#### N``.

    Args:
        require_committed: Give 0 to answers that are not committed.
    """

    def __init__(self, *, require_committed: bool = False) -> None:
        self._require_committed = require_committed
        # It warns that its signal-based timeouts are off: on purpose, since the pool kills a process that hangs.
        logging.getLogger("math_verify").setLevel(logging.ERROR)

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text."""
        if not text.strip():
            return _wrong("empty")
        answer = extract_answer(text)
        if answer is None or not answer.text:
            return _wrong("truncated" if truncated else "no answer")
        if not answer.committed and (truncated or self._require_committed):
            return _wrong("truncated" if truncated else "not committed")
        if len(answer.text) > MAX_ANSWER:
            return _wrong("answer too long")
        if same_answer(reference(prompt.answer), answer.text):
            return RewardResult(value=1.0, correct=True)
        return _wrong("wrong")


@lru_cache(maxsize=1024)
def reference(answer: str) -> str:
    """The reference answer without its box, ``####`` or tags."""
    extracted = extract_answer(answer)
    return extracted.text if extracted is not None and extracted.committed else answer.strip()


def same_answer(gold: str, given: str) -> bool:
    """True if both say the same thing; deterministic, and never by evaluating code."""
    if _plain(gold) == _plain(given) != "":
        return True
    if _plain(gold).isalpha() and len(_plain(gold)) > 1:  # a word; as algebra, "odd" would be the product of its letters
        return False
    exact, about, rounded = _split_last(_ABOUT, given)
    if about:  # "1/3 ≈ 0.33" is 1/3; what is rounded counts only beside something that is no number by itself
        return same_answer(gold, exact) or (parse_quantity(_bare(exact)) is None and same_answer(gold, rounded))
    if not _EQUALS.search(gold) and "," not in given:
        left, equals, right = _split_last(_EQUALS, given)
        if equals:  # "x = 5" and "2 + 3 = 5" are 5, but "41 = 42" is not 42
            numbers = [side for side in _EQUALS.split(left) if parse_quantity(_bare(side))]
            return all(same_answer(gold, side) for side in [*numbers, right])
    gold_quantity, quantity = parse_quantity(_bare(gold)), parse_quantity(_bare(given)) or _number_in_words(given)
    if gold_quantity and quantity:
        return same_quantity(gold_quantity, quantity)
    return same_expression(gold, given)


def _split_last(separator: re.Pattern[str], text: str) -> tuple[str, str, str]:
    """Like ``str.rpartition``, but what is before comes first when there is no separator."""
    matches = list(separator.finditer(text))
    if not matches:
        return text, "", ""
    return text[: matches[-1].start()], matches[-1][0], text[matches[-1].end() :]


def _number_in_words(text: str) -> Quantity | None:
    """The one number of a sentence such as "Seth is 16 years old"; None if there are several, or none, or it is denied."""
    words, numbers = WORD.findall(text), list(NUMBER.finditer(text))
    if len(numbers) != 1 or not words or not NUMBER_WORDS.isdisjoint(word.lower() for word in words):
        return None
    return None if "\\" in text or NEGATION.search(text[: numbers[0].start()]) else parse_quantity(numbers[0][0])


def _bare(text: str) -> str:
    """Without maths delimiters, text wrappers, outer brackets and the full stop."""
    text = _DELIMITERS.sub("", text).strip()
    whole = _WRAPPER.fullmatch(text)
    text = (whole[1] if whole else text).strip().removesuffix(".").strip()
    return text[1:-1].strip() if re.fullmatch(r"\([^(),]*\)", text) else text


def _plain(text: str) -> str:
    """For comparing as strings: bare, without spaces; words and single choice letters lose their case."""
    text = _SPACES.sub("", _WRAPPER.sub(r"\1", _bare(text))).replace("dfrac", "frac").replace("tfrac", "frac").replace("−", "-")
    return text.casefold() if re.fullmatch(r"[A-E]|[a-e]|[A-Za-z]{2,}", text) else text


def _wrong(reason: str) -> RewardResult:
    return RewardResult(value=0.0, correct=False, reason=reason)


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    prompt = Prompt(id="example", text="Half of 3?", token_ids=(), answer=r"\frac{3}{2}")
    return prompt, r"Half of 3 is 3/2, so the answer is \boxed{1.5}."
