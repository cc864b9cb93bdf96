r"""Where a completion says its final answer: ``\boxed{...}``, ``#### ...``, ``<answer>...</answer>``, else in its last words.

The first three are commitments: the last one counts, and what is written after it does not. Without any, "the answer is ..." and
then the last number or formula is taken. Text inside ``<think>...</think>`` is never an answer. Alternatives ("5 or 6", two boxes
side by side) come out as one list, so that they lose wherever one answer is asked.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from rewards.commitments import last_box, last_commitment, opens_commitment
from rewards.last_words import last_formula, last_words, names_answer

TAIL = 100_000
"""Only this many characters from the end are searched."""

Extraction = Literal["lenient", "latex", "strict", "boxed"]
EXTRACTIONS: tuple[str, ...] = get_args(Extraction)

_END_TOKENS = re.compile(r"(?:\s*<\|[a-z_]{1,20}\|>|\s*</s>)+\s*\Z")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as the text gives it, not parsed."""

    text: str
    committed: bool
    """True if it stands in a box, after ``####`` or in answer tags."""


def extract_answer(text: str, extraction: Extraction = "lenient") -> Answer | None:
    r"""The final answer, or None if there is none; its text is empty if the commitment is. Linear in the text, never raises.

    Args:
        text: The completion, or a reference solution.
        extraction: ``lenient``: commitments, else last words. ``latex``: commitments, else the last formula.
            ``strict``: commitments only. ``boxed``: ``\boxed`` and ``\fbox`` only.
    """
    text = _after_thinking(text[-TAIL:])
    text = text[: _before_end_tokens(text)]
    found = last_box(text) if extraction == "boxed" else last_commitment(text)
    if found is not None:
        return Answer(found.strip(), committed=True)
    if extraction in ("boxed", "strict") or opens_commitment(text):
        return None  # cut off inside a commitment: what it would have been is nobody's guess
    words = last_formula(text) if extraction == "latex" else last_words(text)
    return Answer(words, committed=False) if words else None


def extract_reference(text: str) -> str:
    """A reference answer without its box, ``####`` or tags, or without the solution in front of "A: ..." or "the answer is ..."."""
    found = last_commitment(text, beside=False)
    if found is not None:
        return found.strip()
    return (names_answer(text) and last_words(text)) or text.strip()


def _before_end_tokens(text: str) -> int:
    start = max(0, len(text) - 200)
    match = _END_TOKENS.search(text, start)
    return match.start() if match else len(text)


def _after_thinking(text: str) -> str:
    """What follows the reasoning; nothing if the reasoning never ends."""
    _, end, after = text.rpartition("</think>")
    if end:
        return after
    return "" if "<think>" in text else text
