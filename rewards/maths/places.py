r"""EXTRACT, places: where a text commits itself: ``\boxed{...}``, ``\boxed 5``, ``#### ...``,
``<answer>...</answer>``.

One pass over the text for each kind; places that lie in another one are part of it. Time is linear in the
text.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Kind = Literal["box", "tag", "hash"]

MAX_PLACES = 64
"""Most places of each kind that are looked at, counted from the end."""
_TOKEN = re.compile(
    r"(\\{1,2}(?:fbox|boxed)\s{0,3}\{)|(\\{1,2}(?:fbox|boxed)(?![A-Za-z{])(?!\s{0,3}\{))|\\.|([{}])",
    re.DOTALL,
)
_NESTED = re.compile(r"(?P<before>[=+\-−*/(\[{,]\s{0,3}|\A\s{0,3})?\\{1,2}(?:fbox|boxed)\s{0,3}(?=\{)")
_HASH = re.compile(r"(?<!#)####(?!#)[ \t]*([^\n]*)")
_HEADING = re.compile(r"[*_]*(?:[A-Za-z]{2}|\d{1,3}[.)]\s)")
_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
_GROUP = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,100}\}){0,50}\}){0,100}\}"
_ATOM = re.compile(
    rf"\s{{0,3}}(?:-\s?)?(?:\\[dtc]?frac\s?(?:{_GROUP}|\d)\s?(?:{_GROUP}|\d)"
    rf"|\\sqrt\s?(?:\[\d\])?\s?(?:{_GROUP}|\d)"
    rf"|\\[A-Za-z]+(?:\s?{_GROUP})?|\\?\$?\d+(?:,\d{{3}}(?!\d))*(?:\.\d+)?(?:\\?%)?|[A-Za-z])"
)
_ATOM_END = re.compile(r"\s*(?:\$|\\[)\]]|\\\\|\\end\b|\\text\b|[.,;:!?](?:\s|\$|\Z)|\Z)|\s+[A-Za-z]{2,}")
_FORMULA_END = re.compile(r"\$|\\[)\]]|\\\\|\\end\b|\n|\Z")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a commitment stands, and what it says."""

    start: int
    end: int
    content: str
    kind: Kind
    closed: bool = True
    """False if it ends with the text, so that it may go on where the text is truncated."""
    cut: bool = False
    """True if it was opened and never closed."""


def boxes(text: str) -> list[Place]:
    """Boxes that are in no other box, in order; the last one may be open."""
    found: list[Place] = []
    opened: list[tuple[bool, int, int]] = []
    for token in _TOKEN.finditer(text):
        if token[1]:
            opened.append((True, token.start(), token.end()))
        elif token[2] is not None:
            end = _bare_end(text, token.end())
            if end > token.end():
                found.append(
                    Place(token.start(), end, text[token.end() : end].strip(), "box", closed=end < len(text))
                )
        elif token[3] == "{":
            opened.append((False, token.start(), token.end()))
        elif token[3] == "}" and opened:
            is_box, start, _ = opened.pop()
            if is_box:
                while found and found[-1].start > start:
                    found.pop()
                found.append(Place(start, token.end(), "", "box", closed=True))
    cut = next(((start, begin) for is_box, start, begin in reversed(opened) if is_box), None)
    if cut is not None and not any(_is_other(text, cut[1], place) for place in found[-MAX_PLACES:]):
        found = [place for place in found[-MAX_PLACES:] if place.end <= cut[0]]
        found.append(
            Place(cut[0], len(text), text[cut[1] : cut[1] + 200].strip(), "box", closed=False, cut=True)
        )
    return [place if place.content or place.cut else _filled(text, place) for place in found[-MAX_PLACES:]]


def _is_other(text: str, begin: int, place: Place) -> bool:
    """True if a complete box behind an unclosed one is another box, and not part of it."""
    return place.start >= begin and (place.start - begin > 60 or "\n" in text[begin : place.start])


def _filled(text: str, place: Place) -> Place:
    begin = text.index("{", place.start) + 1
    return Place(place.start, place.end, _unnested(text[begin : place.end - 1]), "box", closed=True)


def tags(text: str) -> list[Place]:
    """Answer tags with what stands between them; the last one may be open."""
    marks = list(_TAG.finditer(text))[-2 * MAX_PLACES :]
    places = [
        Place(a.start(), b.end(), text[a.end() : b.start()].strip(), "tag")
        for a, b in pairwise(marks)
        if not a[1] and b[1]
    ]
    if marks and not marks[-1][1]:
        places.append(
            Place(
                marks[-1].start(),
                len(text),
                text[marks[-1].end() :][:200].strip(),
                "tag",
                closed=False,
                cut=True,
            )
        )
    return places


def last_hash(text: str) -> Place | None:
    """The last line that begins with four hashes and is no heading: a heading begins with a word and has text
    below it."""
    end = len(text.rstrip())
    for match in reversed(list(_HASH.finditer(text))):
        if not (_HEADING.match(match[1]) and match.end() < end):
            return Place(match.start(), match.end(), match[1].strip(), "hash", closed=match.end() < len(text))
    return None


def _bare_end(text: str, start: int) -> int:
    r"""Where the content of a box without braces ends: behind one number or command, or with the formula that
    goes on."""
    window = text[start : start + 400]
    atom = _ATOM.match(window)
    if atom and _ATOM_END.match(window, atom.end()):
        return start + atom.end()
    end = _FORMULA_END.search(window)
    return start + (end.start() if end and window[: end.start()].strip() else 0)


def _unnested(content: str) -> str:
    """Without the boxes inside: part of an equation where they stand in one, else an answer of their own."""
    return _NESTED.sub(lambda match: ", " if match["before"] is None else match["before"], content).strip()
