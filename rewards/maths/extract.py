r"""EXTRACT: the one answer that a completion commits itself to, as text.

In this order: the last committed place (box, ``####``, answer tags); what "the answer is ..." says; the last
line. A place that is denied is none. One that is taken back, or cut off by the end of the text, leaves no
answer: nothing earlier counts in its stead. Alternatives ("5 or 6", two boxes side by side) come out as one
list, so that they lose wherever one answer is asked.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from rewards.maths import surroundings
from rewards.maths.characters import repaired
from rewards.maths.places import MAX_PLACES, Place, boxes, last_hash, tags
from rewards.maths.statements import last_formula, last_words, names_answer

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
    closed: bool = True
    """False if the text ends within it: in a truncated text it may go on."""


def extract_answer(text: str, extraction: Extraction = "lenient") -> Answer | None:
    r"""The final answer, or None if there is none; its text is empty if the commitment is. Linear in the
    text, never raises.

    Args:
        text: The completion, or a reference solution. Thinking between ``<think>`` and ``</think>`` is left
            out.
        extraction: ``lenient``: commitments, else last words. ``latex``: commitments, else the last formula.
            ``strict``: commitments only. ``boxed``: ``\boxed`` and ``\fbox`` only.
    """
    _, thought, rest = text.rpartition("</think>")
    if not thought and "<think>" in text:
        return None
    return extract_from(rest if thought else text, extraction)


def extract_from(text: str, extraction: Extraction) -> Answer | None:
    """The same for a text without its thinking."""
    text = repaired(text[-TAIL:])
    end = _before_end_tokens(text)
    finished, text = end < len(text), text[:end]
    places = _places(text, boxes_only=extraction == "boxed")
    if places:
        return _committed(text, places, finished=finished)
    if extraction in ("boxed", "strict"):
        return None
    words = last_formula(text) if extraction == "latex" else last_words(text)
    return Answer(words, committed=False) if words else None


def extract_reference(text: str) -> str:
    """A reference without its box, ``####`` or tags, or without the solution in front of "A: ..." or "the
    answer is ...".

    Several boxes are all asked for, unless one corrects the other.
    """
    text = repaired(text)
    places = [place for place in _places(text, boxes_only=False) if place.content]
    if not places:
        return (names_answer(text) and last_words(text)) or text.strip()
    kind = places[-1].kind
    if kind != "box":
        return places[-1].content
    asked: list[str] = []
    for place, before in zip(reversed(places), [*reversed(places[:-1]), None], strict=True):
        if place.kind != "box":
            break
        if place.content not in asked:
            asked.append(place.content)
        between = text[before.end : place.start] if before else ""
        if (
            before is None
            or surroundings.CONCLUDES.search(between)
            or surroundings.is_withdrawn(text[: place.start], before.end)
        ):
            break
    return ", ".join(reversed(asked))


def _places(text: str, *, boxes_only: bool) -> list[Place]:
    """Committed places in order, the last one last; a box in a tag or line of hashes counts for itself."""
    found = boxes(text)
    if not boxes_only:
        found = found + tags(text)
        hashed = last_hash(text)
        found = found + ([hashed] if hashed else [])
    return sorted(found)


def _committed(text: str, places: Sequence[Place], *, finished: bool) -> Answer | None:
    """The last place that is not denied, with what is joined to it."""
    last = places[-1]
    if last.cut:
        return None
    kept = [
        place
        for place in places[-2 * MAX_PLACES :]
        if place.kind == "hash" or not surroundings.is_denied(text, place.start)
    ]
    last = kept[-1] if kept else last
    if not kept or surroundings.is_withdrawn(text, last.end):
        return None
    if last.kind == "hash":
        return Answer(_ended(last.content), committed=True, closed=last.closed or finished)
    if surroundings.is_modified(text, last.start) or (
        last.kind == "box" and surroundings.is_part(text, last.start, last.end)
    ):
        return None
    said = _with_alternatives(text, [place for place in kept if place.kind == last.kind])
    return Answer(_ended(said), committed=True, closed=last.closed or finished)


def _ended(text: str) -> str:
    return text[: _before_end_tokens(text)].strip()


def _with_alternatives(text: str, places: Sequence[Place]) -> str:
    """The last place with those joined to it, and what an "or" puts beside it; the unit behind it."""
    contents = [
        places[-1].content + (surroundings.suffix(text, places[-1].end) if places[-1].kind == "box" else "")
    ]
    first = places[-1]
    for place in reversed(places[-MAX_PLACES:-1]):
        if not surroundings.is_joint(text[place.end : first.start]):
            break
        contents.append(place.content)
        first = place
    before = surroundings.item_before(text, first.start)
    after = surroundings.item_after(text, places[-1].end)
    contents = [*([before] if before else []), *reversed(contents), *([after] if after else [])]
    return contents[0] if len(set(contents)) == 1 else ", ".join(contents)


def _before_end_tokens(text: str) -> int:
    start = max(0, len(text) - 200)
    match = _END_TOKENS.search(text, start)
    return match.start() if match else len(text)
