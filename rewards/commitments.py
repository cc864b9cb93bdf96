r"""Answers that a text commits to: ``\boxed{...}``, ``#### ...`` and ``<answer>...</answer>``.

Of several the last counts, but those that stand side by side, or are joined as alternatives, are one list: ``\boxed{2} and
\boxed{3}`` answers "2, 3", not 3.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rewards.answer_patterns import PERHAPS

MAX_LIST = 64
"""Commitments side by side that are read as one list."""

_TOKEN = re.compile(r"(\\{1,2}(?:fbox|boxed)\s{0,3}\{)|\\.|([{}])", re.DOTALL)
_NESTED = re.compile(r"(?P<before>[=+\-−*/(\[{,]\s{0,3}|\A\s{0,3})?\\{1,2}(?:fbox|boxed)\s{0,3}(?=\{)")
_HASH = re.compile(r"####[ \t]*([^\n]*)")
_HEADING = re.compile(r"[*_]*(?:[A-Za-z]{2}|\d{1,3}[.)]\s)")
_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
_OPEN = re.compile(r"\\(?:fbox|boxed)\s{0,3}\{|<answer>", re.IGNORECASE)

_TEXT = r"\\(?:text|mbox|mathrm)\s{0,3}\{[^{}]{0,30}\b(?:and|or)\s{0,3}\}"
_SIDE_BY_SIDE = re.compile(rf"(?:[\s$,;~&]|\\q?quad\b|{_TEXT}|\b(?:and|or)\b|\\[\\,;: ()\[\]])*+")
_JOINED = re.compile(
    r"[\s$,;.)\\\]]{0,6}(?:or|maybe|perhaps|possibly|alternatively|otherwise|either)\b(?P<rest>[^.\n]{0,40})", re.I
)
_CORRECTED = re.compile(r"\b(?:rather|actually|wait|correct|instead|not?)\b", re.IGNORECASE)
_OR = rf"(?:\\text\s{{0,3}}\{{\s{{0,3}}or\s{{0,3}}\}}|\bor\b|\balternatively\b)(?:,?\s{{1,3}}{PERHAPS}\b){{0,4}}"
_OR_AFTER = re.compile(rf"[\s$,;.)*]{{0,6}}{_OR}[\s:,]{{0,3}}(?P<item>[^\n]{{1,60}})", re.IGNORECASE)
_OR_BEFORE = re.compile(rf"(?P<item>[^\s]{{1,60}})\s{{1,4}}{_OR}[\s$(\\\[]{{0,6}}\Z", re.IGNORECASE)
_NEAR = 60


@dataclass(frozen=True, slots=True, order=True)
class _Span:
    """Where a commitment stands, and what it says."""

    start: int
    end: int
    content: str


def last_commitment(text: str, *, beside: bool = True) -> str | None:
    """What the last commitment says, a list if several are joined; None without one.

    Args:
        text: Where to look.
        beside: Also join what an "or" puts beside it.
    """
    boxes, tags, hashed = _boxes(text), _tags(text), _last_hash(text)
    last = max([spans[-1] for spans in (boxes, tags) if spans] + ([hashed] if hashed else []), default=None)
    if last is None:
        return None
    if last is hashed:
        return last.content
    return _with_alternatives(text, boxes if boxes and last is boxes[-1] else tags, beside=beside)


def last_box(text: str) -> str | None:
    r"""What the last ``\boxed`` or ``\fbox`` says; None without one."""
    boxes = _boxes(text)
    return _with_alternatives(text, boxes, beside=True) if boxes else None


def opens_commitment(text: str) -> bool:
    """True if a box or an answer tag is opened, closed or not."""
    return bool(_OPEN.search(text))


def _boxes(text: str) -> list[_Span]:
    """Complete boxes that are in no other box, in order; one pass over the braces."""
    found: list[tuple[int, int, int, int]] = []
    opened: list[tuple[bool, int, int]] = []
    for token in _TOKEN.finditer(text):
        if token[1]:
            opened.append((True, token.start(), token.end()))
        elif token[2] == "{":
            opened.append((False, token.start(), token.end()))
        elif token[2] == "}" and opened:
            is_box, start, begin = opened.pop()
            if is_box:
                while found and found[-1][0] > start:
                    found.pop()
                found.append((start, token.end(), begin, token.start()))
    return [_Span(start, end, _unnested(text[begin:stop])) for start, end, begin, stop in found[-MAX_LIST:]]


def _unnested(content: str) -> str:
    """Without the boxes inside: part of an equation where they stand in one, else an answer of their own."""
    return _NESTED.sub(lambda match: ", " if match["before"] is None else match["before"], content).strip()


def _tags(text: str) -> list[_Span]:
    pairs = pairwise(_TAG.finditer(text))
    return [_Span(a.start(), b.end(), text[a.end() : b.start()].strip()) for a, b in pairs if not a[1] and b[1]]


def _last_hash(text: str) -> _Span | None:
    end = len(text.rstrip())
    for match in reversed(list(_HASH.finditer(text))):
        # A markdown heading ("#### Step 2: ...") begins with a word and has text below it; an answer seldom does both.
        if not (_HEADING.match(match[1]) and match.end() < end):
            return _Span(match.start(), match.end(), match[1].strip())
    return None


def _with_alternatives(text: str, spans: Sequence[_Span], *, beside: bool) -> str:
    """The last commitment, with those joined to it and what an "or" puts beside it."""
    contents = [spans[-1].content]
    first = spans[-1]
    for span in reversed(spans[-MAX_LIST:-1]):
        if not _is_joint(text[span.end : first.start]):
            break
        contents.append(span.content)
        first = span
    before = _OR_BEFORE.search(text[max(0, first.start - _NEAR) : first.start]) if beside else None
    after = _OR_AFTER.match(text[spans[-1].end : spans[-1].end + 2 * _NEAR]) if beside else None
    if before and not before["item"].endswith((",", ".", ":")):  # "x = 1/5, or 20%" says the same again
        contents.append(before["item"])
    contents.reverse()
    if after:
        contents.append(after["item"].strip(" .$"))
    return ", ".join(dict.fromkeys(contents))


def _is_joint(gap: str) -> bool:
    """True if what stands between two commitments makes them a list or alternatives, and no correction."""
    if len(gap) > _NEAR:
        return False
    if _SIDE_BY_SIDE.fullmatch(gap):
        return True
    joined = _JOINED.fullmatch(gap)
    return bool(joined and not _CORRECTED.search(joined["rest"]))
