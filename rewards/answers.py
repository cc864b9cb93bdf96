r"""Where a completion says its final answer: ``\boxed{...}``, ``#### ...``, ``<answer>...</answer>``, else in its last words.

The first three are commitments: the last one counts, and what is written after it does not. Without any, "the answer is ..." and
then the last number or formula is taken. Text inside ``<think>...</think>`` is never an answer.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

TAIL = 100_000
"""Only this many characters from the end are searched."""
_LAST_WORDS = 4_000
"""Characters from the end in which an uncommitted answer is looked for."""
_PHRASE_LENGTH = 100
"""Characters of a text without numbers that may be an answer as a whole."""
_MAX_BOXES = 8
"""Unterminated boxes tried from the end, so that a text made of boxes stays linear."""

_BOX = re.compile(r"\\(?:fbox|boxed)\s*\{")
_HASH = re.compile(r"####[ \t]*([^\n]*)")
_ANSWER_TAG = re.compile(r"<answer>|</answer>", re.IGNORECASE)
_AND = re.compile(r"(?:[\s$,;~]|\\quad|\\(?:text|mbox|mathrm)\s*\{\s*(?:and|or)\s*\}|\band\b|\bor\b|\\[,;: ])*")
_OPEN = re.compile(r"\\(?:fbox|boxed)\s*\{|<answer>", re.IGNORECASE)
_PHRASE = re.compile(r"\banswer\s*(?:is\s*:?|:|=)[\s*]*|^A:\s*", re.IGNORECASE | re.MULTILINE)
_FORMULA = re.compile(r"\$\$?([^$]+)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
NUMBER = re.compile(r"(?<![A-Za-z\d.])[-−]?\d+(?:,\d{3})*(?:\.\d+)?(?:[eE][-+]?\d+)?(?:\s*/\s*\d+)?(?:\s*\\?%)?|[-−]?\.\d+")
WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
NEGATION = re.compile(r"(?:\bnot|\bnever|n['’]t)\s+(?:be\s+|the\s+)?[$(\s]*$", re.IGNORECASE)
_ALTERNATIVE = re.compile(r"\bor\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as the text gives it, not parsed."""

    text: str
    committed: bool
    """True if it stands in a box, after ``####`` or in answer tags."""


def extract_answer(text: str) -> Answer | None:
    """The final answer, or None if there is none; its text is empty if the commitment is."""
    text = _after_thinking(text[-TAIL:])
    found = [hit for hit in (_last_box(text), _last_hash(text), _last_tag(text)) if hit is not None]
    if found:
        _, content = max(found)
        return Answer(content.strip(), committed=True)
    if _OPEN.search(text):  # cut off inside a commitment: what it would have been is nobody's guess
        return None
    text = text[-_LAST_WORDS:]
    last_words = _from_phrase(text) if _PHRASE.search(text) else _from_last_line(text)
    return Answer(last_words, committed=False) if last_words else None


def _after_thinking(text: str) -> str:
    """What follows the reasoning; nothing if the reasoning never ends."""
    _, end, after = text.rpartition("</think>")
    if end:
        return after
    return "" if "<think>" in text else text


def _last_box(text: str) -> tuple[int, str] | None:
    """The last box, with the boxes right before it: ``\\boxed{2} and \\boxed{3}`` is the list ``2, 3``, not a choice."""
    contents: list[str] = []
    start = len(text)
    for match in list(_BOX.finditer(text))[: -_MAX_BOXES - 1 : -1]:
        end = _closing_brace(text, match.end())
        if end is None and not contents:
            continue
        if end is None or (contents and not _AND.fullmatch(text, end + 1, start)):
            break
        contents.append(text[match.end() : end].strip())
        start = match.start()
    return (start, ", ".join(dict.fromkeys(reversed(contents)))) if contents else None


def _closing_brace(text: str, start: int) -> int | None:
    """Index of the brace that closes the one before ``start``."""
    depth, position = 1, start
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1  # an escaped brace is a symbol, not a bracket
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return None


def _last_hash(text: str) -> tuple[int, str] | None:
    end = len(text.rstrip())
    for match in reversed(list(_HASH.finditer(text))):
        # A markdown heading ("#### Step 2: ...") begins with a word and has text below it; an answer seldom does both.
        heading = re.match(r"[*_]*(?:[A-Za-z]{2}|\d+[.)]\s)", match[1]) and match.end() < end
        if not heading:
            return match.start(), match[1]
    return None


def _last_tag(text: str) -> tuple[int, str] | None:
    tags = list(_ANSWER_TAG.finditer(text))
    for opening, closing in reversed(list(pairwise(tags))):
        if opening[0].lower() == "<answer>" and closing[0].lower() == "</answer>":
            return opening.start(), text[opening.end() : closing.start()]
    return None


def _from_phrase(text: str) -> str | None:
    """What the last "the answer is ..." names: its formula, its number, or the line if it has neither."""
    *_, phrase = _PHRASE.finditer(text)
    rest = text[phrase.end() :]
    formula = _FORMULA.match(rest)
    if formula:
        return _content(formula)
    line = rest.split("\n", 1)[0].strip()
    if not WORD.search(line):
        return line.rstrip(" .*")
    numbers = NUMBER.findall(line)
    if len(numbers) > 1 and _ALTERNATIVE.search(line):  # "41 or 42" commits to nothing
        return None
    return numbers[0] if numbers else line


def _from_last_line(text: str) -> str | None:
    """The last line with a number or formula: whole if it is nothing else, else its last one. One line of words counts too."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and len(lines[0]) <= _PHRASE_LENGTH and not re.search(r"\d|\$", lines[0]):
        return lines[0]
    for line in reversed(lines):
        if not re.search(r"\d|\$|\\\(|\\\[", line):
            continue
        if not WORD.search(line) and not _FORMULA.search(line):
            return line
        return _last_item(line)
    return None


def _last_item(line: str) -> str | None:
    formulas, numbers = list(_FORMULA.finditer(line)), list(NUMBER.finditer(line))
    if formulas and (not numbers or numbers[-1].start() < formulas[-1].end()):
        return _content(formulas[-1])
    if not numbers or NEGATION.search(line[: numbers[-1].start()]):  # "it is certainly not 42"
        return None
    return numbers[-1][0]


def _content(formula: re.Match[str]) -> str:
    return next(group for group in formula.groups() if group is not None).strip()
