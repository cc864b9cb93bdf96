r"""Multiple choice: the letter that a completion commits to."""

import re
from collections.abc import Sequence

from rewards.components.final_text import after_thinking, final_text
from rewards.components.verdicts import right, wrong
from rollout.types import Prompt, RewardResult

_BOX = re.compile(r"\\boxed\s*\{\s*(?:\\(?:text|mathrm|textbf|mathbf)\s*\{)?([^{}]*)\}")
_PHRASE = re.compile(r"(?:answer|choice|option)\s*(?:is|:|=)+[\s:*_$(]*|(?:^|\n)\s*A:\s+", re.IGNORECASE)
_GOES_ON = re.compile(r"\s+(?!because\b|since\b|as\b|or\b|and\b|for\b|is (?:right|correct)\b)[a-z]")
WORDS_TOO = ("A", "I")
"""Labels that also begin English sentences: "A square has ..." chooses nothing."""
_LEAD = " \t*_$`([\"'"
LAST_WORDS = 2000
"""Characters from the end in which an uncommitted choice is looked for."""


def chosen(text: str, labels: Sequence[str]) -> str | None:
    r"""The label that ``text`` settles on, None if it settles on none or on several.

    In this order: the last ``\boxed{...}``, the answer tags, the last "the answer is ...", the last line. A commitment that names
    two labels ("A or C") is none.
    """
    rest = after_thinking(text)
    boxes = _BOX.findall(rest)
    if boxes:
        return _single(boxes[-1], labels)
    answer = final_text(text)
    if answer != rest.strip():
        return _single(answer, labels)
    tail = rest[-LAST_WORDS:]
    phrases = list(_PHRASE.finditer(tail))
    if phrases:
        return _single(tail[phrases[-1].end() :].partition("\n")[0], labels)
    lines = [line for line in tail.splitlines() if line.strip()]
    return _single(lines[-1], labels) if lines else None


def _single(text: str, labels: Sequence[str]) -> str | None:
    """The label at the start of ``text``, if no other one is offered beside it."""
    names = "|".join(map(re.escape, sorted(labels, key=len, reverse=True)))
    text = text.strip(_LEAD)
    first = re.match(rf"({names})(?![A-Za-z0-9'’])", text)
    if first is None or (first[1] in WORDS_TOO and _GOES_ON.match(text, first.end())):
        return None
    other = re.search(rf"(?:\b(?:or|and)\b|[/,|&;])[\s*_$(\[]*(?:{names})(?![A-Za-z0-9'’])", text[first.end() :])
    return None if other else first[1]


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
            raise ValueError(f"prompt {prompt.id}: answer {prompt.answer!r} is none of the labels {list(self._labels)}")
        return gold

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text; a truncated one has not settled on anything, unless in a box or tags."""
        gold = self._gold(prompt)
        if not text.strip():
            return wrong("empty")
        settled = bool(_BOX.search(after_thinking(text))) or final_text(text) != after_thinking(text).strip()
        if truncated and not settled:
            return wrong("truncated")
        choice = chosen(text, self._labels)
        if choice is None:
            return wrong("no answer")
        return right() if choice == gold else wrong("wrong")


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    return Prompt(id="example", text="2 + 2 = (A) 3 (B) 4", token_ids=(), answer="B"), "A is odd. The answer is (B) 4."
